"""Killed at any moment, the same command continues, and gives what one never killed gives."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_sweeps import assert_same_results, small, summary_of

EPOCHS = 12

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

DRIVER = """
import os, sys
import train
from tests import preloaded  # once for all the children: what a run imports
from hydra import compose, initialize_config_dir
from pathlib import Path

with initialize_config_dir(sys.argv[1], version_base="1.3"):
    for line in sys.stdin:
        directory, *overrides = line.split()
        config = compose("config", overrides)
        child = os.fork()
        if not child:
            train.run(config, Path(directory), caller=Path.cwd(), in_sweep=False, threads=None)
            os._exit(0)
        print(child, flush=True)
        sys.stdin.readline()  # until then its process number is nobody else's
        print(os.waitpid(child, 0)[1], flush=True)
"""
"""Reads a directory and overrides, starts such a run and says its process; reads a line, waits for
the run and says its status; and so on. The imports are done once."""


def overrides(arrays: Path, outputs: Path) -> list[str]:
    """About two seconds of training, in a directory that is the same each time."""
    given = ["name=victim", f"training.epochs={EPOCHS}", "training.batch_size=8"]
    return [*small(arrays, outputs), *given, "training.threads=1"]


def start(arrays: Path, outputs: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "src" / "train.py"), *overrides(arrays, outputs), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Tests that run in a shell's background inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def until(seen: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until something is seen, while the process runs."""
    deadline = time.monotonic() + 90
    while not seen():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)


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
def untouched(tmp_path_factory, arrays):
    """The outputs of a run that nobody killed."""
    outputs = tmp_path_factory.mktemp("untouched")
    process = start(arrays, outputs)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    return outputs


def test_a_run_killed_three_times_ends_as_one_never_killed(tmp_path, arrays, untouched):
    chance = random.Random(0)
    for kill in range(3):
        before = epochs_of(tmp_path)
        process = start(arrays, tmp_path)
        try:
            if kill < 2:
                until(lambda before=before: epochs_of(tmp_path) > before, process)
                time.sleep(chance.uniform(0, 0.3))
            else:
                until(lambda: list(tmp_path.glob("runs/victim/*averaged*")), process)
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "runs" / "victim" / "summary.json").exists()
    process = start(arrays, tmp_path)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert_as_never_killed(tmp_path, untouched)


def test_an_interrupted_run_says_how_to_continue_and_does(tmp_path, arrays, untouched):
    process = start(arrays, tmp_path)
    try:
        until(lambda: epochs_of(tmp_path) >= 2, process)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "which is dropped: the same command continues" in printed
    process = start(arrays, tmp_path)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert summary_of(tmp_path / "runs" / "victim")["trajectory"] == "resumed"
    assert_as_never_killed(tmp_path, untouched)


def test_who_waits_for_a_trajectory_continues_it_when_the_trainer_is_killed(
    tmp_path, arrays, untouched
):
    trainer = start(arrays, tmp_path, "name=trainer", "training.epochs=5000")
    waiting = None
    try:
        until(lambda: epochs_of(tmp_path) >= 2, trainer)
        trainer.send_signal(signal.SIGSTOP)  # it holds the lock, and trains no further
        trained = epochs_of(tmp_path)
        waiting = start(arrays, tmp_path)
        printed = ""
        while "waiting for another run" not in printed:
            line = waiting.stdout.readline()
            assert line, printed
            printed += line
        assert epochs_of(tmp_path) == trained < EPOCHS
        trainer.kill()
        waiting.communicate(timeout=60)
    finally:
        for process in (trainer, waiting):
            if process is not None:
                process.kill()
                process.communicate()
    assert waiting.returncode == 0
    assert summary_of(tmp_path / "runs" / "victim")["trajectory"] == "resumed"
    assert_as_never_killed(tmp_path, untouched)


def wait_and_kill(child: int, outputs: Path, moment: float, awaited: str | None) -> None:
    """Kill a run at a moment, in seconds; or at the first file of that kind that is seen then."""
    began = time.monotonic()
    while not (outputs / "runs" / "victim" / "summary.json").exists():
        late = time.monotonic() - began - moment
        if late > 60 or (late > 0 and (awaited is None or next(outputs.glob(awaited), None))):
            break
    os.kill(child, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_kills_at_random_moments_change_nothing(tmp_path, arrays, untouched):
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(ROOT / "conf")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )

    def attempt(outputs: Path, moment: float, awaited: str | None = None) -> bool:
        """Run, and kill; whether the kill came before the end."""
        line = [str(outputs / "runs" / "victim"), *overrides(arrays, outputs)]
        driver.stdin.write(" ".join(line) + "\n")
        wait_and_kill(int(driver.stdout.readline()), outputs, moment, awaited)
        driver.stdin.write("\n")
        driver.stdout.readline()
        return not (outputs / "runs" / "victim" / "summary.json").exists()

    chance, kills, trial = random.Random(0), [], 0
    try:
        began = time.monotonic()
        assert not attempt(tmp_path / "0", 300)
        whole = time.monotonic() - began
        while len(kills) < 50:
            trial += 1
            outputs = tmp_path / str(trial)
            for _ in range(6):
                awaited = chance.choice([None, None, None, *HALF_WRITTEN])
                if not attempt(outputs, chance.uniform(0, 0.5 * whole), awaited):
                    break
                kills.append(awaited)
            else:
                assert not attempt(outputs, 300)
            assert_as_never_killed(outputs, untouched)
    finally:
        driver.kill()
        driver.communicate()
    assert len(set(kills)) > 6
