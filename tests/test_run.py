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
    with Run(tmp_path):
        pass
    with pytest.raises(PolyakError, match="another run has this directory"), Run(tmp_path):
        pytest.fail("claimed twice")


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
