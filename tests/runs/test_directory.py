import json

import pytest

from polyak.errors import DivergedError, PolyakError
from polyak.records.summary import Summary
from polyak.runs.directory import check_usable, claimed
from tests.runs.records import SUMMARY


def test_a_finished_run_has_a_summary_and_no_failure(tmp_path):
    with claimed(tmp_path) as run:
        with run.stage("training"):
            pass
        run.finish(summary(seconds=run.seconds), message="done")
    assert list(json.loads((tmp_path / "summary.json").read_text())["seconds"]) == ["training"]
    assert not (tmp_path / "failure.json").exists()


def test_a_directory_is_one_runs_only(tmp_path):
    with (
        claimed(tmp_path),
        pytest.raises(PolyakError, match="another run is working in this directory"),
        claimed(tmp_path),
    ):
        pytest.fail("claimed twice")


def summary(**values):
    return Summary.model_validate(SUMMARY | values)


CONFIG = {"seed": 1, "paths": {"outputs": "here"}, "training": {"epochs": 4, "threads": 2}}


def test_a_finished_run_is_known_by_its_config_wherever_it_ran(tmp_path):
    with claimed(tmp_path) as run:
        assert not run.finished(CONFIG)
        run.finish(summary(config=CONFIG), message="done")
    elsewhere = {**CONFIG, "paths": {"outputs": "there"}, "training": {"epochs": 4, "threads": 1}}
    elsewhere["recording"] = {"state_every": 5}
    with claimed(tmp_path) as run:
        assert run.finished(elsewhere)
    with pytest.raises(PolyakError, match=r"another training\.epochs"), claimed(tmp_path) as run:
        run.finished({**CONFIG, "training": {"epochs": 5, "threads": 2}})
    assert not (tmp_path / "failure.json").exists()


def test_what_an_unfinished_run_left_is_removed(tmp_path):
    fail(tmp_path, PolyakError("the reason"))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "metrics.csv").touch()
    with claimed(tmp_path) as run:
        assert not run.finished(CONFIG)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"claim.json", ".lock"}


def fail(directory, error):
    with pytest.raises(type(error)), claimed(directory) as run, run.stage("training"):
        raise error
    return json.loads((directory / "failure.json").read_text())


def test_a_failure_is_recorded_with_its_stage(tmp_path, caplog):
    failure = fail(tmp_path, PolyakError("the reason"))
    assert failure == {
        "stage": "training",
        "epoch": 0,
        "kind": "PolyakError",
        "reason": "the reason",
    }
    assert not (tmp_path / "summary.json").exists()
    assert "the reason" in caplog.text
    assert "Traceback" not in caplog.text


def test_divergence_is_recorded_with_its_epoch(tmp_path):
    assert fail(tmp_path, DivergedError("nan", epoch=7))["epoch"] == 7


def test_a_bug_keeps_its_traceback(tmp_path, caplog):
    assert fail(tmp_path, KeyError("bug"))["kind"] == "KeyError"
    assert "Traceback" in caplog.text


def strangers(directory):
    """Files that somebody has in a directory, some with names as a run's."""
    names = ("checkpoints/mine.pt", "figures/paper.pdf", "predictions/test/notes.txt")
    names += ("metrics.csv", ".a.tmp", "data/.b.tmp.csv", "data/deep/.c.1.tmp")
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)


def contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_directory_that_no_run_has_claimed_is_refused_and_left_as_it_is(tmp_path):
    strangers(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(PolyakError, match="no run has claimed it"), claimed(tmp_path):
        pytest.fail("claimed")
    assert contents(tmp_path) == before


def test_another_projects_hydra_directory_is_refused(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "hydra.yaml").write_text("hydra: {callbacks: {}}")
    with pytest.raises(PolyakError, match=r"holds \.hydra"):
        check_usable(tmp_path)
    (tmp_path / ".hydra" / "hydra.yaml").write_text(
        "callbacks: {_target_: polyak.config.sweep.Points}"
    )
    check_usable(tmp_path)  # killed before it was claimed


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ({"config.yaml": ""}, True),
        ({"config.yaml": "dataset:\n  _target_: polyak.data.sv"}, True),
        (
            {"config.yaml": "model:\n  _target_: polyak.models.x\n", "hydra.yaml": "hydra:\n  ru"},
            True,
        ),
        ({"config.yaml": "model:\n  _target_: theirs.x\n"}, False),
        ({"config.yaml": "", "hydra.yaml": "hydra: {}", "overrides.yaml": "[]"}, False),
        ({"notes.txt": ""}, False),
    ],
)
def test_a_disk_that_was_full_as_hydra_wrote_leaves_a_directory_to_use(tmp_path, written, ours):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "train.log").touch()
    for name, text in written.items():
        (tmp_path / ".hydra" / name).write_text(text)
    if ours:
        check_usable(tmp_path)
        return
    with pytest.raises(PolyakError, match=r"holds \.hydra"):
        check_usable(tmp_path)


def test_an_unfinished_run_removes_its_own_files_and_no_other(tmp_path):
    fail(tmp_path, PolyakError("the reason"))
    strangers(tmp_path)
    own = ("checkpoints/epoch_000.safetensors", "predictions/test/labels.safetensors")
    own += (
        "figures/accuracy.png",
        "averaged.safetensors",
        "predictions/validation/epoch_1000.safetensors",
    )
    own += (
        "checkpoints/.epoch_001.77.tmp.safetensors",
        ".summary.77.tmp.json",
        ".metrics.7.tmp.csv",
    )
    (tmp_path / "predictions" / "validation").mkdir(parents=True)
    for name in own:
        (tmp_path / name).touch()
    with claimed(tmp_path) as run:
        assert not run.finished(CONFIG)
    left = {path.relative_to(tmp_path).as_posix() for path in contents(tmp_path)}
    assert left == {
        *("checkpoints/mine.pt", "figures/paper.pdf", "predictions/test/notes.txt"),
        *(".a.tmp", "data/.b.tmp.csv", "data/deep/.c.1.tmp", "claim.json", ".lock"),
    }
    assert not (tmp_path / "predictions" / "validation").exists()


FOLDERS = ("checkpoints", "predictions", "predictions/test", "figures", "recordings")


@pytest.mark.parametrize("name", [*FOLDERS, "recordings/10_per_epoch"])
def test_a_folder_of_a_run_that_is_a_link_is_refused_and_not_followed(tmp_path, name):
    fail(tmp_path / "run", PolyakError("the reason"))
    elsewhere = tmp_path / "elsewhere" / "epoch_000.safetensors"
    elsewhere.parent.mkdir()
    elsewhere.touch()
    place = tmp_path / "run" / name
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(elsewhere.parent)
    with (
        pytest.raises(PolyakError, match=f"{name}: is a link or a file"),
        claimed(tmp_path / "run"),
    ):
        pytest.fail("claimed")
    assert elsewhere.exists()
    place.unlink()
    with claimed(tmp_path / "run") as run:
        assert not run.finished(CONFIG)


def test_outputs_may_be_a_link_to_another_disk(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "outputs").symlink_to(tmp_path / "disk")
    with claimed(tmp_path / "outputs" / "runs" / "run") as run:
        assert not run.finished(CONFIG)
    assert (tmp_path / "disk" / "runs" / "run" / "claim.json").exists()


@pytest.mark.parametrize("claim", ["{}", '{"claim": "insurance"}', "[]", "", "[" * 9999])
def test_any_other_file_called_claim_json_claims_nothing(tmp_path, claim):
    strangers(tmp_path)
    (tmp_path / "claim.json").write_text(claim)
    before = contents(tmp_path)
    with pytest.raises(PolyakError, match="no run has claimed it"), claimed(tmp_path):
        pytest.fail("claimed")
    assert contents(tmp_path) == before


def test_a_log_alone_is_somebodys(tmp_path):
    (tmp_path / "train.log").write_text("mine")
    with pytest.raises(PolyakError, match=r"holds train\.log"):
        check_usable(tmp_path)


def test_a_file_is_no_directory_of_a_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PolyakError, match="file: is a file; allowed"), claimed(tmp_path / "file"):
        pass
