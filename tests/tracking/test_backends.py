"""The real libraries, offline: what they have of a run is read back, once and once more."""

import os
import struct
import sys
import time

import pytest

from polyak.errors import ConfigError, PolyakError
from polyak.tracking.backends import tensorboard, wandb
from polyak.tracking.backends.mlflow import MLflow
from polyak.tracking.backends.tensorboard import TensorBoard
from polyak.tracking.backends.wandb import WandB
from polyak.tracking.live import live, track
from tests.tracking.runs import ROWS, write

pytestmark = pytest.mark.filterwarnings("ignore")

ACCURACY = [(0, 0.5), (1, 0.75)]


@pytest.fixture
def run(tmp_path):
    return write(tmp_path / "runs" / "one")


def events(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    return found


def scalars(found, tag):
    return [(one.step, pytest.approx(one.value)) for one in found.Scalars(tag)]


def test_tensorboard_has_it_once(run):
    pytest.importorskip("tensorboard")
    for _ in range(2):
        track(run, TensorBoard())
        found = events(run / "tensorboard")
        assert scalars(found, "test/accuracy") == ACCURACY
        assert scalars(found, "average/test/accuracy") == [(1, 0.8)]
        assert scalars(found, "gains/over_last/test") == [(1, 0.05)]
        (image,) = found.Images("figures/accuracy")
        assert (image.width, image.height, image.step) == (3, 2, 1)
        assert image.encoded_image_string == (run / "figures" / "accuracy.png").read_bytes()
        assert found.Tags()["tensors"] == ["_hparams_/session_start_info"]


def test_tensorboard_shows_epochs_as_they_come(run):
    pytest.importorskip("tensorboard")
    with live(TensorBoard(), run, {}) as tracking:
        tracking.epoch(ROWS[0])
        assert scalars(events(run / "tensorboard"), "test/accuracy") == ACCURACY[:1]


def test_tensorboard_of_many_runs_in_one_directory(run, tmp_path):
    pytest.importorskip("tensorboard")
    backend = TensorBoard(directory=str(tmp_path / "all"))
    track(run, backend)
    track(write(tmp_path / "sweep" / "seed=1"), backend)
    track(run, backend)
    assert scalars(events(tmp_path / "all" / "one"), "test/accuracy") == ACCURACY
    assert scalars(events(tmp_path / "all" / "sweep" / "seed=1"), "test/accuracy") == ACCURACY
    other = write(tmp_path / "other" / "runs" / "one", config={"training": {"epochs": 2}})
    with pytest.raises(PolyakError, match="has the events of another run of that name"):
        track(other, backend)


@pytest.mark.parametrize("name", ["notes.txt", "events.out.tfevents.1.host"])
def test_tensorboard_leaves_a_folder_of_others(run, name):
    pytest.importorskip("tensorboard")
    (run / "tensorboard").mkdir()
    (run / "tensorboard" / name).write_text("mine")
    with pytest.raises(PolyakError, match=f"tensorboard: holds {name}, and no tracking"):
        track(run, TensorBoard())
    assert (run / "tensorboard" / name).read_text() == "mine"


def test_tensorboard_writes_through_no_link(run, tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "elsewhere").mkdir()
    (run / "tensorboard").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PolyakError, match="is a link"):
        track(run, TensorBoard())


def test_tensorboard_overwrites_nothing_that_its_mark_leads_to(run, tmp_path):
    pytest.importorskip("tensorboard")
    (run / "tensorboard").mkdir()
    (tmp_path / "theirs.json").write_text("{}")
    (run / "tensorboard" / "polyak.json").symlink_to(tmp_path / "theirs.json")
    track(run, TensorBoard())
    assert (tmp_path / "theirs.json").read_text() == "{}"
    assert not (run / "tensorboard" / "polyak.json").is_symlink()


def test_tensorboard_goes_on_after_a_kill_or_a_full_disk_at_its_mark(run, monkeypatch):
    pytest.importorskip("tensorboard")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    (run / "tensorboard").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(tensorboard.files, "write_json", full)
        with pytest.raises(PolyakError, match=r"one: tensorboard failed .*No space left"):
            track(run, TensorBoard())
    (run / "tensorboard" / ".polyak.123.tmp.json").write_text("")
    track(run, TensorBoard())
    assert scalars(events(run / "tensorboard"), "test/accuracy") == ACCURACY


def test_mlflow_has_it_once(run, tmp_path):
    tracking = pytest.importorskip("mlflow.tracking")
    backend = MLflow(directory=str(tmp_path / "mlflow"))
    backend.check()
    for _ in range(2):
        track(run, backend)
        client = tracking.MlflowClient(f"sqlite:///{tmp_path}/mlflow/mlflow.db")
        experiment = client.get_experiment_by_name("polyak")
        (found,) = client.search_runs([experiment.experiment_id])
        history = client.get_metric_history(found.info.run_id, "test/accuracy")
        assert [(one.step, one.value) for one in history] == ACCURACY
        assert found.data.metrics["gains/over_last/test"] == 0.05
        assert found.data.params["optimizer.betas"] == "[0.9, 0.99]"
        assert found.data.tags["run.scheme"] == "uniform"
        assert (found.info.status, found.info.run_name) == ("FINISHED", "one")
        (image,) = client.list_artifacts(found.info.run_id, "figures")
        assert image.path == "figures/accuracy.png"
    assert (tmp_path / "mlflow" / "artifacts").is_dir()


def offline(folder):
    """The records of the one run that wandb has in there: a log of blocks, as LevelDB's."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("offline-run-*/run-*.wandb")
    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        _, size, kind = struct.unpack_from("<IHB", data, at)
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # the whole of a record, or its last part
            yield Record.FromString(whole)
            whole = b""


def test_wandb_has_it_once(run, monkeypatch):
    pytest.importorskip("wandb")
    for kind in ("CONFIG", "CACHE", "DATA", "ARTIFACT"):  # not the home of who runs the tests
        monkeypatch.setenv(f"WANDB_{kind}_DIR", str(run / kind))
    for _ in range(2):
        track(run, WandB())
        deadline = time.monotonic() + 10  # its own process may still be writing
        while not (records := list(offline(run / "wandb"))) or not records[-1].HasField("exit"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        rows = [
            {item.key or "/".join(item.nested_key): item.value_json for item in one.history.item}
            for one in records
            if one.WhichOneof("record_type") == "history"
        ]
        shown = [(int(row["epoch"]), float(row["test/accuracy"])) for row in rows[:2]]
        assert shown == ACCURACY
        assert (rows[2]["epoch"], rows[2]["average/test/accuracy"]) == ("1", "0.8")
        assert len(rows) == 4
        assert any(name.startswith("figures/accuracy") for name in rows[3])
        summary = {item.key: item.value_json for one in records for item in one.summary.update}
        assert summary["gains/over_last/test"] == "0.05"


def test_wandb_replaces_what_was_begun_twice_in_one_second_and_nothing_else(tmp_path):
    names = [f"offline-run-20260101_000000-{'a' * 16}{end}" for end in ("", "-1", "-12", "-x")]
    for name in [*names, f"offline-run-20260101_000000-{'b' * 16}"]:
        (tmp_path / name).mkdir()
    wandb._remove_offline(tmp_path, "a" * 16)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {names[3], f"offline-run-20260101_000000-{'b' * 16}"}


def test_wandb_writes_to_no_other_directory_than_its_own(run, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"Permission denied: .*one"):
        track(run, WandB())
    assert not (run / "wandb").exists()


@pytest.mark.parametrize(
    ("backend", "library"),
    [
        (TensorBoard(), "tensorboard.summary.writer.event_file_writer"),
        (WandB(), "wandb"),
        (MLflow(directory="/x"), "mlflow.tracking"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(backend, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with pytest.raises(ConfigError, match=rf"pip install -e '\.\[{backend.name}\]'"):
        backend.check()
