"""The optimizer's state every so many epochs: what lies between is trained again, and checked."""

import os
import signal

import pytest

from polyak.data import arrays as arrays_module
from polyak.data.splitting import split
from polyak.errors import StoreError
from polyak.records.trajectory import write
from polyak.store import paths, work
from polyak.store.manifest import Manifest
from polyak.store.recording import Recording
from polyak.store.trajectory import Trajectory
from polyak.training.epoch import train_epoch
from tests.results import assert_same_results, summary_of
from tests.small import make_recipe, overrides
from tests.store.damage import flip, remove
from tests.store.trajectories import contents, keys_of, train

THREE = Recording(state_every=3)
EPOCHS = 8


@pytest.fixture(scope="module")
def data(arrays):
    return split(arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz")), 60)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data):
    """Of a training that kept its state at every epoch."""
    return contents(train(tmp_path_factory.mktemp("whole"), data, epochs=EPOCHS)[0])


@pytest.fixture
def trained(monkeypatch):
    """The epochs that are trained from now on."""
    found = []

    def recorded(trainer, epoch, **more):
        found.append(epoch)
        return train_epoch(trainer, epoch, **more)

    monkeypatch.setattr(work, "train_epoch", recorded)
    return found


def stopped(store, data, epochs, recording=THREE):
    """A trajectory whose training ended after so many epochs of EPOCHS, as a kill would end it."""
    trajectory, cpu = Trajectory(store, make_recipe(), data), work.torch.device("cpu")
    given = {"device": cpu, "keys": keys_of(data), "recording": recording}
    running = trajectory.epochs(count=EPOCHS, **given)
    for _ in range(epochs):
        next(running)
    running.close()
    return trajectory


def states(trajectory):
    return sorted(path.name for path in (trajectory.directory / "state").glob("*"))


def test_the_state_is_written_every_so_many_epochs_and_after_the_last(tmp_path, data, whole):
    trajectory = stopped(tmp_path, data, 7)
    assert states(trajectory) == ["epoch_005.safetensors"]
    trajectory, _ = train(tmp_path / "all", data, epochs=EPOCHS, recording=THREE)
    assert states(trajectory) == ["epoch_007.safetensors"]
    assert contents(trajectory) == whole


@pytest.mark.parametrize(("epochs", "again"), [(2, [0, 1]), (3, []), (4, [3]), (5, [3, 4])])
def test_the_epochs_after_the_state_are_trained_again(
    tmp_path, data, whole, trained, caplog, epochs, again
):
    caplog.set_level("INFO")
    stopped(tmp_path, data, epochs)
    trained.clear()
    trajectory, records = train(tmp_path, data, epochs=EPOCHS, recording=THREE)
    assert trained == [*again, *range(epochs, EPOCHS)]
    assert [record.stored for record in records].count(True) == epochs
    assert contents(trajectory) == whole
    said = f"training epochs {again[0]} to {again[-1]} again, which gives" if again else "again"
    assert (said in caplog.text) == bool(again)
    assert "WARNING" not in caplog.text
    assert states(trajectory) == ["epoch_007.safetensors"]


def test_stopped_again_and_again_the_state_moves_on(tmp_path, data, trained):
    for epochs in (2, 4, 5):
        stopped(tmp_path, data, epochs, Recording(state_every=100))
    assert trained == [0, 1, 0, 1, 2, 3, 2, 3, 4]


def test_other_weights_than_recorded_are_an_error(tmp_path, data):
    directory = stopped(tmp_path, data, 5).directory
    values = Manifest.open(directory).values
    values["epochs"][4]["weights_sha256"] = "0" * 64
    write(directory, values)
    with pytest.raises(StoreError, match="training epoch 4 again gives other weights"):
        train(tmp_path, data, epochs=EPOCHS, recording=THREE)


def test_in_another_environment_it_is_refused_before_it_trains(tmp_path, data, trained):
    directory = stopped(tmp_path, data, 5).directory
    values = Manifest.open(directory).values
    values["environments"][0]["environment"]["torch"] = "1.0"
    write(directory, values)
    trained.clear()
    with pytest.raises(StoreError, match=r"was begun with torch = 1\.0, and can't be continued"):
        train(tmp_path, data, epochs=EPOCHS, recording=THREE)
    assert trained == []


@pytest.mark.parametrize("damage", [flip, remove])
def test_without_the_state_it_begins_again(tmp_path, data, whole, trained, damage, caplog):
    directory = stopped(tmp_path, data, 5).directory
    damage(paths.state(directory, 2))
    trained.clear()
    assert contents(train(tmp_path, data, epochs=EPOCHS, recording=THREE)[0]) == whole
    assert trained == list(range(EPOCHS))
    assert "missing or corrupted files of epochs [4]" in caplog.text


@pytest.mark.parametrize(("epoch", "again"), [(4, [3, 4]), (2, [0, 1, 2]), (0, [0])])
def test_a_damaged_checkpoint_is_trained_again_from_the_state_before_it(
    tmp_path, data, whole, trained, epoch, again
):
    directory = stopped(tmp_path, data, 5).directory
    remove(paths.checkpoint(directory, epoch))
    trained.clear()
    assert contents(train(tmp_path, data, epochs=5)[0]).items() <= whole.items()
    assert trained == again


def test_recorded_means_of_epochs_that_are_trained_again_stay(tmp_path, data):
    means = Recording(every=3, means=True, keep="epochs", state_every=3)
    directory = stopped(tmp_path, data, 5, means).directory
    before = {one: one.stat().st_mtime_ns for one in directory.glob("recordings/*/*.safetensors")}
    trajectory, _ = train(tmp_path, data, epochs=EPOCHS, recording=means)
    assert before
    assert all(one.stat().st_mtime_ns == time for one, time in before.items())
    untouched, _ = train(tmp_path / "untouched", data, epochs=EPOCHS, recording=means)
    assert contents(trajectory) == contents(untouched)


def test_a_run_killed_between_two_states_ends_as_one_never_killed(tmp_path, arrays, processes):
    def start(outputs, *more):
        outputs.mkdir(exist_ok=True)
        given = ["name=victim", "training.epochs=6", "training.batch_size=8", *more]
        return processes.start([*overrides(arrays, outputs), *given], outputs)

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    assert start(whole).wait().returncode == 0
    running = start(killed, "recording.state_every=4")
    running.wait_until(lambda: len(list(killed.glob("trajectories/*/checkpoints/epoch_*"))) >= 3)
    running.kill()
    assert running.returncode == -signal.SIGKILL
    trained = len(list(killed.glob("trajectories/*/checkpoints/epoch_*")))
    assert trained < 6
    done = start(killed, "recording.state_every=4").wait()
    assert done.returncode == 0, done.stderr
    assert "again, which gives the weights that are there" in done.stdout + done.stderr
    assert summary_of(killed / "runs" / "victim")["trajectory"] == "resumed"
    assert_same_results(killed / "runs" / "victim", whole / "runs" / "victim")
    both = [sorted(os.listdir(next(one.glob("trajectories/*/state")))) for one in (killed, whole)]
    assert both[0] == both[1] == ["epoch_005.safetensors"]
