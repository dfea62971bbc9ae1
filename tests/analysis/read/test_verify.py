"""Runs are compared with what their predictions give."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from analysis.read.verify import disagreements
from tests.small import overrides


@pytest.fixture(scope="module")
def real(tmp_path_factory, arrays, processes):
    """A run of a model with batch norm and a validation split."""
    outputs = tmp_path_factory.mktemp("verify")
    given = [*overrides(arrays, outputs), "model.batch_norm=true", "dataset.validation=60"]
    given += ["averaging.start=1", "averaging=exponential", "averaging.stride=2", "name=run"]
    done = processes.run(given, outputs)
    assert done.returncode == 0, done.stderr
    return outputs / "runs" / "run"


@pytest.fixture
def run(real, tmp_path):
    return shutil.copytree(real, tmp_path / "run")


def test_a_run_agrees_with_its_predictions(run):
    assert list(disagreements(run)) == []


def changed(run, change):
    path = run / "summary.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    return list(disagreements(run))


@pytest.mark.parametrize(
    "what",
    [
        *("average", "ensemble", "last", "last_refreshed", "window_mean"),
        *("best_by_validation", "best_by_test_oracle"),
    ],
)
@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("score", ["loss", "accuracy", "calibration_error"])
def test_a_changed_result_is_listed(run, what, split, score):
    def change(values):
        scores = values["results"][what][split]
        scores[score] += 1e-6 if scores[score] < 0.5 else -1e-6

    (line,) = changed(run, change)
    assert line.startswith(f"{run}: summary.json: results.{what}.{split}.{score} = ")


def test_a_changed_gain_and_another_epoch_are_listed(run):
    def change(values):
        values["gains"]["over_last"]["test"] += 0.01
        values["results"]["last"]["epoch"] = 0

    gain, epoch = sorted(changed(run, change))
    assert "summary.json: gains.over_last.test = " in gain
    assert "summary.json: results.last.epoch = 0; by predictions/: 3" in epoch


def test_changed_metrics_are_listed(run):
    path = run / "metrics.csv"
    header, *rows = path.read_text().splitlines()
    cells = rows[1].split(",")
    cells[header.split(",").index("test_accuracy")] = "0.999"
    rows[1] = ",".join(cells)
    path.write_text("\n".join([header, *rows[:3], ""]))
    found = list(disagreements(run))
    assert f"{run}: metrics.csv: test_accuracy of epoch 1 = 0.999; by predictions/: " in found[2]
    assert sum("metrics.csv: no " in line and "of epoch 3" in line for line in found) == 4
    assert len(found) == 5


def test_changed_logits_and_missing_files_are_listed(run):
    path = run / "predictions" / "test" / "average.safetensors"
    logits = load_file(path)["logits"]
    path.unlink()
    (line,) = disagreements(run)
    assert str(path) in line
    save_file({"logits": np.roll(logits, 1, axis=1)}, path)
    found = list(disagreements(run))
    assert any("results.average.test.accuracy" in line for line in found)


def test_a_claim_of_many_epochs_ends_at_the_first_that_is_not_there(run):
    (line,) = changed(run, lambda values: values["config"]["training"].update(epochs=1_000_000))
    assert "epoch_004.safetensors" in line
