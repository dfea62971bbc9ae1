"""Killed at any moment, the same command continues, and gives what one never killed gives."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.results import assert_same_results, summary_of
from tests.small import overrides

EPOCHS = 6

HALF_WRITTEN = [
    *(
        "trajectories/*/checkpoints/.*",
        "trajectories/*/evaluations/*/.*",
        "trajectories/*/state/.*",
    ),
    *("trajectories/*/.trajectory.*", "trajectories/*/.runs.*", "runs/victim/checkpoints/.*"),
    *("runs/victim/.metrics.*", "runs/victim/.averaged.*", "runs/victim/figures/.*"),
    *("runs/victim/predictions/test/.average.*", "runs/victim/.summary.*"),
]
"""The temporary names of all that a run writes, below its outputs."""


@pytest.fixture(scope="module")
def start(processes, arrays):
    """Starts a run of a second or two, all outputs below a directory."""

    def started(outputs: Path, *more: str, drawn: bool = False):
        given = ["name=victim", f"training.epochs={EPOCHS}", "training.batch_size=8", *more]
        outputs.mkdir(exist_ok=True)
        return processes.start([*overrides(arrays, outputs), *given], outputs, drawn=drawn)

    return started


def epochs_of(outputs: Path) -> int:
    return len(list(outputs.glob("trajectories/*/checkpoints/epoch_*")))


def assert_as_never_killed(outputs: Path, untouched: Path) -> None:
    assert_same_results(outputs / "runs" / "victim", untouched / "runs" / "victim")
    stores = [one / "trajectories" for one in (outputs, untouched)]
    files = [{path.relative_to(one) for path in one.rglob("*")} for one in stores]
    assert files[0] == files[1]  # nothing missing, nothing half-written or left over
    for path in stores[0].rglob("*.safetensors"):
        assert path.read_bytes() == (stores[1] / path.relative_to(stores[0])).read_bytes()


@pytest.fixture(scope="module")
def untouched(tmp_path_factory, start):
    """The outputs of a run that nobody killed."""
    outputs = tmp_path_factory.mktemp("untouched")
    done = start(outputs).wait()
    assert done.returncode == 0, done.stderr
    return outputs


def test_a_run_killed_three_times_ends_as_one_never_killed(tmp_path, start, untouched):
    for kill in range(3):
        before = epochs_of(tmp_path)
        running = start(tmp_path)
        if kill < 2:
            running.wait_until(lambda before=before: epochs_of(tmp_path) > before)
        else:
            running.wait_until(lambda: list(tmp_path.glob("runs/victim/*averaged*")))
        running.kill()
        assert running.returncode == -signal.SIGKILL
        assert not (tmp_path / "runs" / "victim" / "summary.json").exists()
    done = start(tmp_path).wait()
    assert done.returncode == 0, done.stderr
    assert_as_never_killed(tmp_path, untouched)


def test_an_interrupted_run_says_how_to_continue_and_does(tmp_path, start, untouched):
    running = start(tmp_path)
    running.wait_until(lambda: epochs_of(tmp_path) >= 2)
    running.send(signal.SIGINT)
    done = running.wait()
    assert done.returncode == 130
    assert "which is dropped: the same command continues" in done.stdout + done.stderr
    done = start(tmp_path).wait()
    assert done.returncode == 0, done.stderr
    assert summary_of(tmp_path / "runs" / "victim")["trajectory"] == "resumed"
    assert_as_never_killed(tmp_path, untouched)


def test_who_waits_for_a_trajectory_continues_it_when_the_trainer_is_killed(
    tmp_path, start, untouched
):
    trainer = start(tmp_path, "name=trainer", "training.epochs=5000")
    trainer.wait_until(lambda: epochs_of(tmp_path) >= 2)
    trainer.send(signal.SIGSTOP)  # it holds the lock, and trains no further
    trained = epochs_of(tmp_path)
    waiting = start(tmp_path)
    waiting.wait_until(lambda: "waiting for another run" in "".join(waiting.printed()))
    assert epochs_of(tmp_path) == trained < EPOCHS
    trainer.kill()
    assert waiting.wait().returncode == 0
    assert summary_of(tmp_path / "runs" / "victim")["trajectory"] == "resumed"
    assert_as_never_killed(tmp_path, untouched)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills_at_random_moments_change_nothing(tmp_path, start, untouched):
    """Some at a moment of the first half of a run's time, most when after such a moment a file of
    some kind is half written; every run continues what the kills before it left."""

    def attempt(outputs: Path, moment: float, awaited: str | None = None) -> bool:
        """Run, and kill; whether the kill came before the end."""
        drawn = awaited is not None and "figures" in awaited
        running, began = start(outputs, drawn=drawn), time.monotonic()

        def now() -> bool:
            if (outputs / "runs" / "victim" / "summary.json").exists():
                return True
            late = time.monotonic() - began - moment
            seen = awaited is None or next(outputs.glob(awaited), None) is not None
            return late > 0 and (seen or late > 60)

        running.wait_until(now)
        running.kill()
        return not (outputs / "runs" / "victim" / "summary.json").exists()

    def finish(outputs: Path) -> None:
        done = start(outputs).wait()
        assert done.returncode == 0, done.stderr

    began = time.monotonic()
    finish(tmp_path / "0")
    whole = time.monotonic() - began
    chance, kills, trial = random.Random(0), [], 0
    while len(kills) < 20:
        trial += 1
        outputs = tmp_path / str(trial)
        for _ in range(6):
            awaited = chance.choice([None, None, None, *HALF_WRITTEN])
            if not attempt(outputs, chance.uniform(0, 0.5 * whole), awaited):
                break
            kills.append(awaited)
        else:
            finish(outputs)
        assert_as_never_killed(outputs, untouched)
    assert len(set(kills)) > 3


EVERYTHING = (
    *("augmentation=crop_flip", "augmentation.pad=1", "model.batch_norm=true"),
    *("schedule=warmup_cosine", "schedule.warmup=1.5", "schedule.per=step"),
    *("training.label_smoothing=0.1", "training.clip_norm=1.0", "training.drop_last=true"),
    *("training.decay=weights", "optimizer.weight_decay=0.01", "averaging.stride=2"),
    *("dataset.mean=[0.4,0.5,0.6]", "dataset.std=0.3"),
)


def killed_and_continued(start, killed: Path, whole: Path, *overrides: str) -> None:
    """Kill a run after its second epoch, continue it, and compare it with one never killed."""
    done = start(whole, *overrides).wait()
    assert done.returncode == 0, done.stderr
    running = start(killed, *overrides)
    running.wait_until(lambda: epochs_of(killed) >= 2)
    running.kill()
    done = start(killed, *overrides).wait()
    assert done.returncode == 0, done.stderr
    assert summary_of(killed / "runs" / "victim")["trajectory"] == "resumed"
    assert_as_never_killed(killed, whole)


def test_a_run_with_every_option_resumes_bit_for_bit(tmp_path, start):
    killed_and_continued(start, tmp_path / "killed", tmp_path / "whole", *EVERYTHING)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        ("model=torchvision", "model.name=resnet18", "model.stem=small"),
        ("model=torchvision", "model.name=mobilenet_v3_small"),
        ("model=timm", "model.name=test_resnet"),
    ],
    ids=lambda model: model[1].partition("=")[2],
)
def test_a_network_of_a_library_is_trained_averaged_refreshed_and_resumed(tmp_path, start, model):
    few = ("dataset.limit_train=32", "dataset.limit_test=20", "training.batch_size=16")
    whole = tmp_path / "whole"
    given = (*model, *few, "training.epochs=3", "~model.channels", "~model.hidden")
    killed_and_continued(start, tmp_path / "killed", whole, *given)
    found = summary_of(whole / "runs" / "victim")
    assert found["results"]["last_refreshed"]["test"]["loss"] > 0
    assert found["seconds"]["batch_norm"] > 0


RECORDED = ("recording=means", "recording.every=5", "recording.keep=all", "averaging.of=steps")


def test_a_run_killed_within_an_interval_records_as_one_never_killed(tmp_path, start):
    """Of 38 steps per epoch: killed while the third epoch has some of its records."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = start(whole, *RECORDED).wait()
    assert done.returncode == 0, done.stderr
    for epoch in (2, 3):
        running = start(killed, *RECORDED)
        some = f"trajectories/*/recordings/*/mean_{38 * epoch + 10:08d}.safetensors"
        running.wait_until(lambda some=some: list(killed.glob(some)))
        running.kill()
        assert epochs_of(killed) == epoch
    done = start(killed, *RECORDED).wait()
    assert done.returncode == 0, done.stderr
    assert summary_of(killed / "runs" / "victim")["trajectory"] == "resumed"
    assert_as_never_killed(killed, whole)


def test_a_recording_again_that_is_killed_continues(tmp_path, start, untouched):
    """The trajectory has all epochs, and is trained again for its records."""
    killed = tmp_path / "killed"
    assert start(killed).wait().returncode == 0
    running = start(killed, "name=fine", *RECORDED)
    some = f"trajectories/*/recordings/*/mean_{38 * 2 + 10:08d}.safetensors"
    running.wait_until(lambda: list(killed.glob(some)))
    running.kill()
    done = start(killed, "name=fine", *RECORDED).wait()
    assert done.returncode == 0, done.stderr
    assert_same_results(killed / "runs" / "victim", untouched / "runs" / "victim")
    found = list(killed.glob("trajectories/*/recordings/*/mean_*"))
    assert len(found) == EPOCHS * 8
    assert not list(killed.glob("trajectories/*/recordings/*/.*"))
