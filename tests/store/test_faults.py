"""What can go wrong with a store on disk, and what the next run makes of it."""

import errno
import json
import os
import resource
import signal

import pytest
import torch

from polyak import files
from polyak.data import arrays as arrays_module
from polyak.data.splitting import split
from polyak.errors import PolyakError, StoreError
from polyak.evaluation.logits import Inference, logits
from polyak.records.trajectory import write
from polyak.store import paths, work
from polyak.store import trajectory as trajectory_module
from polyak.store.manifest import Manifest
from polyak.store.recording import Recording
from polyak.store.trajectory import Trajectory
from polyak.weights import checkpoint
from tests.runs.records import write_claim
from tests.store.damage import flip, remove, truncate
from tests.store.trajectories import contents, keys_of, make_recipe, train


@pytest.fixture(scope="module")
def data(arrays):
    return split(arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz")), 60)


@pytest.fixture
def whole(tmp_path, data):
    return contents(train(tmp_path / "whole", data)[0])


@pytest.mark.parametrize("damage", [truncate, flip, remove])
@pytest.mark.parametrize("epoch", [0, 2])
def test_a_corrupted_checkpoint_is_trained_again_and_runs_get_it(
    tmp_path, data, whole, damage, epoch, caplog
):
    run = tmp_path / "run"
    trajectory, _ = train(tmp_path, data, run=run)
    write_claim(run)
    link = paths.checkpoint(run, epoch)
    files.link(paths.checkpoint(trajectory.directory, epoch), link)
    damage(paths.checkpoint(trajectory.directory, epoch))
    again, _ = train(tmp_path, data)
    assert f"missing or corrupted files of epochs [{epoch}]" in caplog.text
    assert contents(again) == whole
    assert link.samefile(paths.checkpoint(again.directory, epoch))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("evaluation", [0, 3, 4])
def test_a_signal_in_an_epochs_evaluation_costs_that_epoch_and_no_bit(
    tmp_path, data, whole, monkeypatch, sent, evaluation
):
    """Two splits per epoch: before, between and after what an epoch's evaluation leaves."""
    calls = 0

    def interrupted(*given):
        nonlocal calls
        calls += 1
        if calls == evaluation + 1:
            os.kill(os.getpid(), sent)
        return logits(*given)

    def stop(number, _):
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(143)

    before = signal.signal(sent, stop)
    monkeypatch.setattr(work, "logits", interrupted)
    try:
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train(tmp_path / "stopped", data)
    finally:
        signal.signal(sent, before)
    monkeypatch.undo()
    again, records = train(tmp_path / "stopped", data)
    assert [record.stored for record in records].count(True) == evaluation // 2
    assert contents(again) == whole
    assert not list((tmp_path / "stopped").rglob(".*.tmp*"))


@pytest.mark.parametrize("damage", [truncate, flip, remove])
def test_corrupted_logits_are_computed_again_without_training(
    tmp_path, data, whole, damage, monkeypatch
):
    trajectory, _ = train(tmp_path, data)
    damage(paths.logits(trajectory.directory, keys_of(data)["test"], 1))
    monkeypatch.setattr(work, "train_epoch", lambda *_, **__: pytest.fail("trained"))
    assert contents(train(tmp_path, data)[0]) == whole


@pytest.mark.parametrize("damage", [truncate, flip, remove])
def test_without_an_intact_state_to_continue_from_training_begins_again(tmp_path, data, damage):
    longer = contents(train(tmp_path / "longer", data, epochs=4)[0])
    trajectory, _ = train(tmp_path, data, epochs=2)
    damage(paths.state(trajectory.directory, 1))
    assert contents(train(tmp_path, data, epochs=2)[0]).items() <= longer.items()  # not needed
    assert contents(train(tmp_path, data, epochs=4)[0]) == longer


def test_weights_that_come_out_otherwise_than_recorded_are_an_error(tmp_path, data):
    trajectory, _ = train(tmp_path, data)
    path = trajectory.directory / "trajectory.json"
    values = json.loads(path.read_text())
    values["epochs"][0]["weights_sha256"] = "0" * 64  # as if another machine had trained it
    write(trajectory.directory, values)
    remove(paths.checkpoint(trajectory.directory, 2))
    with pytest.raises(StoreError, match="training epoch 0 again gives other weights"):
        train(tmp_path, data)


@pytest.mark.parametrize("limit", [10_000, 60_000])
def test_a_full_disk_is_an_error_that_the_next_run_gets_over(tmp_path, data, whole, limit):
    """No file may grow beyond `limit`: too small for checkpoints, or for later writing."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(len(content) for content in whole.values())
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(limit, size - 1), hard))
    try:
        with pytest.raises(OSError, match="safetensors"):
            train(tmp_path, data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert not list(tmp_path.glob("*/checkpoints/.*"))
    assert contents(train(tmp_path, data)[0]) == whole


def test_a_disk_that_fills_up_later_leaves_the_epochs_before(tmp_path, data, whole, monkeypatch):
    save = checkpoint.save

    def fill_up(path, *rest):
        if path.name == "epoch_002.safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        save(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", fill_up)
        with pytest.raises(OSError, match="No space left"):
            train(tmp_path, data)
    again, records = train(tmp_path, data)
    assert again.origin == "resumed"
    assert [record.stored for record in records] == [True, True, False]
    assert contents(again) == whole


def test_an_older_store_is_refused_and_left_as_it_is(tmp_path, data):
    """As format 2 left it: trajectories, and nothing that says which format."""
    train(tmp_path, data)
    (tmp_path / "store.json").unlink()
    before = state_of(tmp_path)
    with pytest.raises(StoreError, match=r"format 2 or older, and this version reads 3 and 4"):
        train(tmp_path, data, make_recipe(seed=1))
    assert state_of(tmp_path) == before


def test_a_newer_store_is_refused(tmp_path, data):
    (tmp_path / "store.json").write_text('{"format": 99}')
    with pytest.raises(StoreError, match="a store of format 99"):
        train(tmp_path, data)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(StoreError, match=r"store\.json: can't be read"):
        train(tmp_path, data)


FOLDERS = ("checkpoints", "state", "evaluations", "evaluations/KEY", "recordings", "recordings/3")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_a_trajectory_that_is_a_link_is_refused(tmp_path, data, name):
    recording = Recording(every=3)
    trajectory, _ = train(tmp_path, data, epochs=1, recording=recording)
    inner = name.replace("KEY", keys_of(data)["test"]).replace("3", recording.name)
    place = trajectory.directory / inner
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "mine.safetensors").touch()
    before = sorted((tmp_path / "elsewhere").rglob("*"))
    with pytest.raises(PolyakError, match=f"{place.name}: is a link or a file"):
        train(tmp_path, data, epochs=2, recording=recording)
    assert sorted((tmp_path / "elsewhere").rglob("*")) == before


def test_a_store_may_be_a_link_to_another_disk(tmp_path, data, whole):
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    assert contents(train(tmp_path / "store", data)[0]) == whole


@pytest.mark.parametrize("key", ["torch", "device", "threads"])
def test_an_unfinished_trajectory_is_continued_only_where_it_was_begun(tmp_path, data, key):
    trajectory, _ = train(tmp_path, data, epochs=2)
    path = trajectory.directory / "trajectory.json"
    values = json.loads(path.read_text())
    values["environments"][0]["environment"][key] = 77 if key == "threads" else "other"
    write(trajectory.directory, values)
    for lost in ([], [paths.state(trajectory.directory, 1)]):  # then it would be retrained
        for file in lost:
            file.unlink()
        with pytest.raises(StoreError, match=f"was begun with {key} = (other|77), and can't be"):
            train(tmp_path, data, epochs=3)
    assert train(tmp_path, data, epochs=2)[0].origin == "reused"  # a finished one may be anywhere


def test_a_store_of_another_format_is_refused(tmp_path, data):
    trajectory, _ = train(tmp_path, data)
    path = trajectory.directory / "trajectory.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    before = contents(trajectory)
    with pytest.raises(StoreError, match="has format 99, this version reads"):
        train(tmp_path, data)
    assert contents(trajectory) == before


def test_a_corrupted_trajectory_json_is_refused(tmp_path, data):
    trajectory, _ = train(tmp_path, data)
    truncate(trajectory.directory / "trajectory.json")
    with pytest.raises(StoreError, match=r"trajectory\.json: can't be read"):
        train(tmp_path, data)


class Denied:
    """A lock in a directory that can't be written."""

    def __init__(self, _):
        pass

    def acquire(self, **_):
        raise PermissionError(errno.EACCES, "Permission denied")


def state_of(directory):
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*")}


def test_a_read_only_store_can_be_used_where_it_is_complete(tmp_path, data, monkeypatch):
    trajectory, records = train(tmp_path, data)
    before = state_of(trajectory.directory)
    monkeypatch.setattr(trajectory_module, "FileLock", Denied)
    again, same = train(tmp_path, data, run=tmp_path / "run")
    assert again.origin == "reused"
    assert [record.scores for record in same] == [record.scores for record in records]
    with pytest.raises(StoreError, match="epoch 3 is not in it, and the store is read only"):
        train(tmp_path, data, epochs=4)
    assert state_of(trajectory.directory) == before


def test_what_a_killed_process_left_half_written_is_removed(tmp_path, data, whole):
    trajectory = Trajectory(tmp_path, make_recipe(), data)
    left = trajectory.directory / "checkpoints" / ".epoch_000.123.tmp.safetensors"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    paths.checkpoint(trajectory.directory, 0).write_text("not listed in trajectory.json")
    assert contents(train(tmp_path, data)[0]) == whole
    assert not left.exists()


def test_every_file_of_a_trajectory_has_its_hash_recorded(tmp_path, data):
    trajectory, _ = train(tmp_path, data)
    recorded = Manifest.open(trajectory.directory).values["files"]
    there = {
        path.relative_to(trajectory.directory).as_posix(): files.sha256(path)
        for path in trajectory.directory.rglob("*.safetensors")
    }
    assert recorded == there
    assert sum(name.startswith("state/") for name in recorded) == 1


def test_evaluating_alone_does_not_disturb_the_training_that_follows(tmp_path, data, arrays):
    """A continued training that first evaluates stored epochs on new images."""
    train(tmp_path, data, epochs=2)
    source = arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz"), limit_test=10)
    fewer = split(source, 60)
    continued, _ = train(tmp_path, fewer, epochs=3)
    whole, _ = train(tmp_path / "whole", fewer, epochs=3)
    for epoch in range(3):
        assert (
            paths.checkpoint(continued.directory, epoch).read_bytes()
            == paths.checkpoint(whole.directory, epoch).read_bytes()
        )
    model = make_recipe().model()
    model.load_state_dict(checkpoint.load(paths.checkpoint(whole.directory, 0)).tensors)
    found = logits(model, fewer.test.images, Inference())
    stored = checkpoint.load(paths.logits(continued.directory, keys_of(fewer)["test"], 0)).tensors[
        "logits"
    ]
    assert torch.equal(stored, found)
