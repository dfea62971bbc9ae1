import json

import pytest

from polyak.errors import DivergedError, PolyakError
from polyak.run import Run


def test_a_finished_run_has_a_summary_and_no_failure(tmp_path):
    with Run(tmp_path) as run:
        with run.stage("training"):
            pass
        run.finish({"seconds": run.seconds}, message="done")
    assert list(json.loads((tmp_path / "summary.json").read_text())["seconds"]) == ["training"]
    assert not (tmp_path / "failure.json").exists()


def test_a_directory_is_one_runs_only(tmp_path):
    with (
        Run(tmp_path),
        pytest.raises(PolyakError, match="another run is working in this directory"),
        Run(tmp_path),
    ):
        pytest.fail("claimed twice")


CONFIG = {"seed": 1, "paths": {"outputs": "here"}, "training": {"epochs": 4, "threads": 2}}


def test_a_finished_run_is_known_by_its_config_wherever_it_ran(tmp_path):
    with Run(tmp_path) as run:
        assert not run.finished(CONFIG)
        run.finish({"config": CONFIG}, message="done")
    elsewhere = {**CONFIG, "paths": {"outputs": "there"}, "training": {"epochs": 4, "threads": 1}}
    with Run(tmp_path) as run:
        assert run.finished(elsewhere)
    with pytest.raises(PolyakError, match=r"another training\.epochs"), Run(tmp_path) as run:
        run.finished({**CONFIG, "training": {"epochs": 5, "threads": 2}})
    assert not (tmp_path / "failure.json").exists()


def test_what_an_unfinished_run_left_is_removed(tmp_path):
    fail(tmp_path, PolyakError("the reason"))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "metrics.csv").touch()
    with Run(tmp_path) as run:
        assert not run.finished(CONFIG)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"claim.json", ".lock"}


def fail(directory, error):
    with pytest.raises(type(error)), Run(directory) as run, run.stage("training"):
        raise error
    return json.loads((directory / "failure.json").read_text())


def test_a_failure_is_recorded_with_its_stage(tmp_path, caplog):
    failure = fail(tmp_path, PolyakError("the reason"))
    assert failure == {
        "stage": "training",
        "epoch": None,
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
