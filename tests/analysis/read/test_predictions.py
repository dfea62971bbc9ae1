"""Predictions of runs are read, and corrupted ones named."""

import numpy as np
import pytest

from analysis.read.directories import AnalysisError
from analysis.read.predictions import Predictions
from polyak.evaluation.scores import ensemble
from tests.analysis.synthetic_runs import write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "s" / "run", predictions=True)


def test_a_runs_predictions_are_read(run):
    found = Predictions(run, "test")
    right = found.correct(found.log_probabilities("average"))
    assert right.dtype == np.bool_
    assert right.mean() > found.correct(found.log_probabilities(5)).mean()
    members = [found.log_probabilities(epoch) for epoch in range(2, 6)]
    np.testing.assert_allclose(found.ensemble(range(2, 6), [1] * 4), ensemble(members, [1] * 4))


@pytest.mark.parametrize("corruption", ["gone", "cut", "other tensor", "other images"])
def test_corrupted_predictions_name_the_file(run, corruption):
    path = run / "predictions" / "test" / "average.safetensors"
    if corruption == "gone":
        path.unlink()
    elif corruption == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif corruption == "other tensor":
        path.write_bytes((path.parent / "labels.safetensors").read_bytes())
    else:
        from safetensors.numpy import save_file

        save_file({"logits": np.zeros((3, 10), np.float32)}, path)
    with pytest.raises(AnalysisError, match="average"):
        Predictions(run, "test").log_probabilities("average")
