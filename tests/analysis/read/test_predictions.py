"""Ensembles and reliability agree with those that the runs computed with torch."""

import numpy as np
import pytest
import torch

from analysis.read.directories import AnalysisError
from analysis.read.predictions import Predictions, ensemble, reliability
from polyak.evaluation import logits as evaluation
from tests.analysis.synthetic_runs import write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "s" / "run", predictions=True)


def random_logits(seed, images=500, classes=10):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (images, classes)).astype(np.float32)
    return logits, generator.integers(0, classes, images)


def test_the_ensemble_is_the_one_that_runs_evaluate():
    members = [random_logits(seed)[0] for seed in range(4)]
    weights = [1, 0, 3, 2.5]
    logs = [torch.tensor(one).double().log_softmax(1).numpy() for one in members]
    wanted = evaluation.ensemble([torch.tensor(one) for one in members], weights)
    np.testing.assert_allclose(ensemble(logs, weights), wanted.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_calibration_error_is_the_one_that_runs_evaluate(bins):
    for seed in range(5):
        logits, labels = random_logits(seed)
        probabilities = torch.tensor(logits).double().softmax(1)
        wanted = evaluation.calibration_error(probabilities, torch.tensor(labels), bins)
        table = reliability(probabilities.numpy(), labels, bins)
        distance = (table["accuracy"] - table["confidence"]).abs().fillna(0)
        error = (distance * table["count"]).sum() / len(labels)
        assert error == pytest.approx(wanted, abs=1e-12)
        assert table["count"].sum() == len(labels)


def test_reliability_by_hand():
    """Confidence 0.6 right, 0.6 wrong, 1.0 right; two bins, (0, 0.5] and (0.5, 1]."""
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.0, 1.0], [0.5, 0.5]])
    table = reliability(probabilities, np.array([0, 1, 1, 0]), bins=2)
    assert table["count"].tolist() == [1, 3]
    assert table["confidence"].tolist() == pytest.approx([0.5, 2.2 / 3])
    assert table["accuracy"].tolist() == pytest.approx([1, 2 / 3])
    empty = reliability(probabilities, np.array([0, 1, 1, 0]), bins=4)
    assert np.isnan(empty.loc[0, "accuracy"])


def test_a_runs_predictions_are_read(run):
    found = Predictions(run, "test")
    right = found.correct(found.log_probabilities("average"))
    assert right.dtype == np.bool_
    assert right.mean() > found.correct(found.log_probabilities("5")).mean()
    members = [found.log_probabilities(str(epoch)) for epoch in range(2, 6)]
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
