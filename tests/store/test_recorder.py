"""What is recorded between epochs' ends: its bits, what it leaves of the training, and what happens
where it is missing, damaged or stopped."""

import errno
import json
import os
import shutil
from collections import namedtuple
from functools import partial
from threading import Event, Timer

import pytest
import torch

from polyak import files
from polyak.averaging.mean import mean_of_states
from polyak.data import arrays as arrays_module
from polyak.data.splitting import split
from polyak.errors import ConfigError, DivergedError, StoreError
from polyak.models.small_cnn import SmallCNN
from polyak.records import recording as records
from polyak.records.recording import Entry
from polyak.records.trajectory import write
from polyak.store import maintenance, paths, space, work
from polyak.store.manifest import Manifest
from polyak.store.record_index import RecordIndex
from polyak.store.recording import Recording
from polyak.store.writer import Writer
from polyak.training.optimizers.schedule_free_sgd import ScheduleFreeSGD
from polyak.training.trainer import Trainer, set_mode
from polyak.weights import checkpoint
from tests.runs.records import SUMMARY, write_claim
from tests.small import make_recipe, network
from tests.store.damage import flip, remove, truncate
from tests.store.trajectories import contents, train

STEPS = 8
"""Of an epoch: 240 images in batches of 32, the last of 16."""
THIRDS = Recording(every=3, means=True)
"""Intervals of 3, 3 and 2 steps."""
with_batch_norm = partial(SmallCNN, (3, 8, 8), 10, channels=(4, 8), hidden=16, batch_norm=True)


@pytest.fixture(scope="module")
def data(arrays):
    return split(arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz")), 60)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory, data):
    """What a training leaves that records epochs alone."""
    return contents(train(tmp_path_factory.mktemp("coarse"), data)[0])


def recorded(trajectory, recording=THIRDS):
    directory = paths.recordings(trajectory.directory, recording.name)
    return {path.name: path for path in sorted(directory.glob("*.safetensors"))}


def weights_after_every_step(recipe, data, epochs):
    """By how many steps are done, from a plain loop."""
    trainer = Trainer.begin(recipe, data.train.images, data.train.labels)
    found = {}
    for epoch in range(epochs):
        for _ in trainer.steps(epoch):
            state = trainer.model.state_dict()
            found[len(found) + 1] = {name: tensor.clone() for name, tensor in state.items()}
    return found


def same(one, other):
    return checkpoint.digest(one) == checkpoint.digest(other)


def without_records(trajectory):
    return {
        path: one for path, one in contents(trajectory).items() if "recordings" not in str(path)
    }


@pytest.mark.parametrize("model", [network, with_batch_norm], ids=["plain", "batch norm"])
@pytest.mark.parametrize("options", [{}, {"drop_last": True, "batch_size": 36}], ids=["", "drop"])
def test_checkpoints_and_means_are_those_of_the_steps(tmp_path, data, model, options):
    recipe = make_recipe(model=model, **options)
    trajectory, _ = train(tmp_path, data, recipe, epochs=2, recording=THIRDS)
    steps, every = recipe.steps(len(data.train)), weights_after_every_step(recipe, data, 2)
    intervals = [one for epoch in range(2) for one in THIRDS.intervals(epoch, steps)]
    names = [paths.record("mean", one.stop) for one in intervals]
    names += [paths.record("step", one.stop) for one in intervals if one.stop % steps]
    assert list(recorded(trajectory)) == sorted(names)
    for one in intervals:
        found = checkpoint.load(recorded(trajectory)[paths.record("mean", one.stop)])
        assert found.metadata == {"steps": [one.start, one.stop]}
        assert same(found.tensors, mean_of_states([every[step + 1] for step in one]))
        if one.stop % steps:
            path = recorded(trajectory)[paths.record("step", one.stop)]
            assert same(checkpoint.load(path).tensors, every[one.stop])
        else:
            path = paths.checkpoint(trajectory.directory, one.stop // steps - 1)
            assert same(checkpoint.load(path).tensors, every[one.stop])


@pytest.mark.parametrize(
    "changed",
    [{}, {"precision": "bf16"}, {"optimizer": partial(torch.optim.AdamW, lr=0.01)}],
    ids=["fp32", "bf16", "adamw"],
)
def test_recording_changes_no_bit(tmp_path, data, changed):
    recipe = make_recipe(**changed)
    fine, records = train(tmp_path / "fine", data, recipe, recording=THIRDS)
    plain, wanted = train(tmp_path / "plain", data, recipe)
    assert fine.fingerprint == plain.fingerprint
    assert without_records(fine) == contents(plain)
    assert [one.scores for one in records] == [one.scores for one in wanted]
    assert [one.training.loss for one in records] == [one.training.loss for one in wanted]


def test_a_compiled_model_is_recorded(tmp_path, data, monkeypatch):
    """torch.compile trains the same parameters; what it does to them is not looked at here."""
    monkeypatch.setattr(torch, "compile", lambda model: lambda images: model(images))
    compiled, _ = train(tmp_path / "a", data, make_recipe(compiled=True), 1, recording=THIRDS)
    plain, _ = train(tmp_path / "b", data, epochs=1, recording=THIRDS)
    assert contents(compiled) == contents(plain)


def test_a_schedule_free_optimizer_is_recorded_as_it_would_be_deployed(tmp_path, data):
    optimizer = partial(ScheduleFreeSGD, lr=0.5)
    recipe, within = make_recipe(optimizer=optimizer), Recording(every=3)
    trajectory, _ = train(tmp_path / "fine", data, recipe, epochs=2, recording=within)
    plain, _ = train(tmp_path / "plain", data, recipe, epochs=2)
    assert without_records(trajectory) == contents(plain)
    trainer = Trainer.begin(recipe, data.train.images, data.train.labels)
    for done, _ in enumerate(trainer.steps(0), start=1):
        if done == 3:
            set_mode(trainer.optimizer, "eval")
            break
    path = recorded(trajectory, within)["step_00000003.safetensors"]
    assert same(checkpoint.load(path).tensors, trainer.model.state_dict())
    with pytest.raises(ConfigError, match=r"recording\.means = True: ScheduleFreeSGD deploys a"):
        train(tmp_path / "means", data, recipe, recording=THIRDS)


def test_a_coarse_trajectory_is_recorded_again_and_its_files_stay(tmp_path, data, coarse, caplog):
    caplog.set_level("INFO")
    trajectory, _ = train(tmp_path, data)
    before = {path: path.stat() for path in trajectory.directory.rglob("*") if path.is_file()}
    again, _ = train(tmp_path, data, recording=THIRDS)
    assert (
        "recording every_3_steps is missing of epochs 0 to 2; training epochs 0 to 2 again"
        in caplog.text
    )
    assert "(checkpoints and means within epochs " in caplog.text
    whole, _ = train(tmp_path / "whole", data, recording=THIRDS)
    assert contents(again) == contents(whole)
    assert without_records(again) == coarse
    assert again.origin == "reused"
    for path, status in before.items():
        if path.parent.name in ("checkpoints", next(iter(coarse)).parent.name):
            assert path.stat().st_ino == status.st_ino, path
    longer, _ = train(
        tmp_path, data, epochs=4, recording=THIRDS
    )  # from the state, without going back
    assert contents(longer) == contents(
        train(tmp_path / "whole", data, epochs=4, recording=THIRDS)[0]
    )


def test_a_finished_recording_is_reused_by_any_part_of_it(tmp_path, data, monkeypatch):
    train(tmp_path, data, recording=THIRDS)
    monkeypatch.setattr(work, "train_epoch", lambda *_, **__: pytest.fail("trained"))
    train(tmp_path, data, recording=THIRDS)
    train(tmp_path, data, epochs=2, recording=Recording(every=3))
    train(tmp_path, data)
    with pytest.raises(pytest.fail.Exception):  # other steps
        train(tmp_path, data, recording=Recording(every=4))


def test_means_are_added_to_checkpoints_that_are_there(tmp_path, data):
    trajectory, _ = train(tmp_path, data, recording=Recording(every=3))
    before = {name: path.stat().st_ino for name, path in recorded(trajectory).items()}
    again, _ = train(tmp_path, data, recording=THIRDS)
    assert contents(again) == contents(train(tmp_path / "whole", data, recording=THIRDS)[0])
    assert before.items() <= {name: p.stat().st_ino for name, p in recorded(again).items()}.items()


@pytest.mark.parametrize("damage", [truncate, flip, remove])
def test_a_damaged_record_is_made_again_and_runs_get_it(tmp_path, data, damage):
    run = tmp_path / "run"
    trajectory, _ = train(tmp_path, data, run=run, recording=THIRDS)
    (run / "checkpoints").mkdir(parents=True)
    write_claim(run)
    whole, name = contents(trajectory), "mean_00000011.safetensors"
    link = paths.recordings(run, THIRDS.name) / name
    files.link(recorded(trajectory)[name], link)
    damage(recorded(trajectory)[name])
    again, _ = train(tmp_path, data, recording=THIRDS)
    assert contents(again) == whole
    assert link.samefile(recorded(again)[name])


@pytest.mark.parametrize("kind", ["unclaimed", "another's", "a link"])
def test_a_record_that_is_made_again_goes_to_no_other_trajectorys_run(tmp_path, data, kind):
    """As where a run's directory was removed, and its name given to another training."""
    run, name = tmp_path / "run", "mean_00000011.safetensors"
    trajectory, _ = train(tmp_path, data, run=run, recording=THIRDS)
    (run / "checkpoints").mkdir(parents=True)
    theirs = paths.recordings(run, THIRDS.name) / name
    if kind != "unclaimed":
        write_claim(run)
    if kind == "another's":
        files.write_json(run / "summary.json", SUMMARY)
    if kind == "a link":
        theirs = tmp_path / "elsewhere" / THIRDS.name / name
        (run / "recordings").symlink_to(tmp_path / "elsewhere")
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    flip(recorded(trajectory)[name])
    train(tmp_path, data, recording=THIRDS)
    assert theirs.read_text() == "theirs"


def test_a_line_that_is_cut_or_changed_is_a_record_that_is_not_there(tmp_path, data):
    trajectory, _ = train(tmp_path, data, recording=THIRDS)
    whole = contents(trajectory)
    path = paths.recordings(trajectory.directory, THIRDS.name) / records.NAME
    lines = path.read_text().splitlines()
    changed = lines[2].replace('"begin": ', '"begin": 1')
    path.write_text("\n".join([*lines[:2], changed, *lines[3:-1], lines[-1][:-9]]))
    index = RecordIndex.read(path.parent)
    missing = {json.loads(line)["file"] for line in (lines[2], lines[-1])}
    assert set(recorded(trajectory)) - set(index.entries) == missing
    assert contents(train(tmp_path, data, recording=THIRDS)[0]) == whole
    found = RecordIndex.read(path.parent)
    assert set(found.entries) == set(recorded(trajectory))
    assert found.changed({one.epoch_weights_sha256 for one in found.entries.values()}) == []


def test_the_index_grows_by_lines_and_trajectory_json_not_at_all(tmp_path, data):
    plain, _ = train(tmp_path / "plain", data)
    trajectory, _ = train(tmp_path / "fine", data, epochs=2, recording=THIRDS)
    index = paths.recordings(trajectory.directory, THIRDS.name) / records.NAME
    first = index.read_bytes()
    train(tmp_path / "fine", data, recording=THIRDS)
    assert index.read_bytes().startswith(first)
    assert len(index.read_bytes().splitlines()) == 3 * (3 + 2)  # means, and checkpoints within
    sizes = [(one.directory / "trajectory.json").stat().st_size for one in (plain, trajectory)]
    assert abs(sizes[0] - sizes[1]) < 200  # digits of times and losses


def test_lines_of_another_training_do_not_count(tmp_path, data):
    """As a killed epoch leaves them, which was then trained under other threads."""
    trajectory, _ = train(tmp_path, data, recording=THIRDS)
    whole = contents(trajectory)
    directory = paths.recordings(trajectory.directory, THIRDS.name)
    index = RecordIndex.read(directory)
    hashes = {"sha256": "1" * 64, "epoch_weights_sha256": "3" * 64}
    index.add([Entry(file="mean_00000003.safetensors", begin=0, end=3, **hashes)])
    (entry,) = maintenance.entries(tmp_path)
    assert maintenance.problems(entry) == []
    assert contents(train(tmp_path, data, recording=THIRDS)[0]) == whole


def test_what_a_killed_process_left_is_removed(tmp_path, data):
    trajectory, _ = train(tmp_path, data, epochs=2, recording=THIRDS)
    directory = paths.recordings(trajectory.directory, THIRDS.name)
    for name in ("step_00000019.safetensors", ".mean_00000019.7.tmp.safetensors"):
        (directory / name).write_text("half")
    train(tmp_path, data, epochs=2, recording=THIRDS)
    assert {path.name for path in directory.iterdir()} == {records.NAME, *recorded(trajectory)}


def test_an_epoch_whose_records_can_not_be_written_does_not_count(tmp_path, data, monkeypatch):
    save = checkpoint.save

    def fill_up(path, *rest):
        if path.name == "mean_00000011.safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        save(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", fill_up)
        with pytest.raises(OSError, match=r"No space left.*mean_00000011"):
            train(tmp_path, data, recording=THIRDS)
    again, records = train(tmp_path, data, recording=THIRDS)
    assert [record.stored for record in records] == [True, False, False]
    assert contents(again) == contents(train(tmp_path / "whole", data, recording=THIRDS)[0])


def test_a_diverging_epoch_leaves_no_records(tmp_path, data):
    recipe = make_recipe(optimizer=partial(torch.optim.SGD, lr=1e25, momentum=0.9))
    with pytest.raises(DivergedError):
        train(tmp_path, data, recipe, recording=THIRDS)
    (trajectory,) = (path for path in tmp_path.iterdir() if path.is_dir())
    trained = Manifest.open(trajectory).trained
    assert len(list(trajectory.glob("recordings/*/*.safetensors"))) == trained * 5


def test_weights_that_come_out_otherwise_are_not_recorded(tmp_path, data):
    trajectory, _ = train(tmp_path, data)
    values = json.loads((trajectory.directory / "trajectory.json").read_text())
    values["epochs"][0]["weights_sha256"] = "0" * 64  # as if another machine had trained it
    write(trajectory.directory, values)
    with pytest.raises(StoreError, match="training epoch 0 again gives other weights"):
        train(tmp_path, data, recording=THIRDS)
    assert RecordIndex.read(paths.recordings(trajectory.directory, THIRDS.name)).entries == {}


def test_kept_are_only_so_many_and_those_that_runs_link_to(tmp_path, data):
    trajectory, _ = train(tmp_path, data, recording=THIRDS)
    linked = "step_00000011.safetensors"
    files.link(recorded(trajectory)[linked], tmp_path / "run" / linked)
    train(tmp_path, data, recording=Recording(every=3, means=True, keep="epochs"))
    steps = [name for name in recorded(trajectory) if name.startswith("step")]
    assert steps == [linked]
    assert len(recorded(trajectory)) == 9 + 1
    (entry,) = maintenance.entries(tmp_path)
    assert maintenance.problems(entry) == []
    second, _ = train(tmp_path / "second", data, recording=Recording(every=3, keep=2))
    names = [f"step_{STEPS * epoch + 6:08d}.safetensors" for epoch in range(3)]
    assert list(recorded(second, Recording(every=3))) == names


def test_a_recording_is_verified_and_protected_as_checkpoints_are(tmp_path, data):
    trajectory, _ = train(tmp_path, data, recording=THIRDS)
    (entry,) = maintenance.entries(tmp_path)
    assert (maintenance.problems(entry), entry.linked()) == ([], False)
    files.link(recorded(trajectory)["mean_00000003.safetensors"], tmp_path / "elsewhere")
    assert entry.linked()
    (tmp_path / "elsewhere").unlink()
    flip(recorded(trajectory)["mean_00000003.safetensors"])
    remove(recorded(trajectory)["step_00000006.safetensors"])
    assert sorted(maintenance.problems(entry)) == [
        "recordings/every_3_steps/mean_00000003.safetensors: changed",
        "recordings/every_3_steps/step_00000006.safetensors: missing",
    ]
    maintenance.remove(entry)
    assert not trajectory.directory.exists()


Usage = namedtuple("Usage", "total used free")


def test_more_than_the_disk_has_is_refused_before_training(tmp_path, data, monkeypatch, caplog):
    caplog.set_level("INFO")
    train(tmp_path / "roomy", data, recording=THIRDS)
    (said,) = (one.message for one in caplog.records if "to be written" in one.message)
    written = (tmp_path / "roomy").rglob("*.safetensors")
    total = sum(path.stat().st_size for path in written)
    wanted = {"epochs": 3, "records": 15, "splits": ["validation", "test"]}
    sizes = space.needed(make_recipe(), network(), data, **wanted)
    assert f"to be written: {space.readable(sum(sizes.values()))} (checkpoints " in said
    assert 0.7 * total < sum(sizes.values()) < 1.1 * total  # headers are the rest
    monkeypatch.setattr(work, "train_epoch", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, sum(sizes.values())))
    with pytest.raises(StoreError, match=r"kB are to be written \(.*\), and .* kB are free; allow"):
        train(tmp_path / "full", data, recording=THIRDS)
    train(tmp_path / "roomy", data, recording=THIRDS)  # which needs nothing


def test_the_writer_raises_what_a_write_has_raised_and_drops_what_follows():
    done = []

    def fail():
        raise OSError("disk")

    def write(*jobs):
        with Writer() as writer:
            for job in jobs:
                writer.put(job)
            writer.finish()

    with pytest.raises(OSError, match="disk"):
        write(lambda: done.append(1), fail, lambda: done.append(2))
    assert done == [1]
    write(lambda: done.append(3), lambda: done.append(4))
    assert done == [1, 3, 4]


def test_the_writer_drops_what_waits_after_an_exception_beside_it():
    begun, go, done = Event(), Event(), []

    def slow():
        begun.set()
        go.wait(30)
        done.append(1)

    writer = Writer()
    writer.put(slow)
    begun.wait(30)
    writer.put(lambda: done.append(2))
    Timer(0.05, go.set).start()
    writer.__exit__(KeyError, KeyError(), None)
    assert done == [1]
