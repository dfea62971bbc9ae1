import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import log_softmax, logsumexp

from polyak.evaluation.scores import (
    calibration_error,
    ensemble,
    log_probabilities,
    reliability,
    scores,
)


def test_scores_of_known_logits():
    logits = np.array([[2.0, 0.0], [0.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    result = scores(logits, np.array([0, 0, 0]))
    losses = [math.log(1 + math.exp(-2)), math.log(2), math.log(1 + math.e)]
    assert result.loss == pytest.approx(sum(losses) / 3)
    assert result.accuracy == 2 / 3  # of equals, the first


def slow_calibration_error(probabilities, labels, bins):
    total = 0.0
    for b in range(bins):
        inside = [
            (max(row), row.index(max(row)) == label)
            for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True)
            if b / bins < max(row) <= (b + 1) / bins
        ]
        if inside:
            confidence = sum(c for c, _ in inside) / len(inside)
            accuracy = sum(correct for _, correct in inside) / len(inside)
            total += len(inside) / len(labels) * abs(accuracy - confidence)
    return total


def drawn(count):
    generator = np.random.default_rng(0)
    logits = torch.from_numpy(3 * generator.standard_normal((count, 10)))
    return logits.softmax(1).numpy(), generator.integers(0, 10, count)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_calibration_error_equals_the_slow_definition(bins):
    probabilities, labels = drawn(500)
    wanted = slow_calibration_error(probabilities, labels, bins)
    assert calibration_error(probabilities, labels, bins) == pytest.approx(wanted, abs=1e-12)


def test_calibration_error_of_the_sure_and_right_is_0_and_of_the_sure_and_wrong_1():
    sure = np.eye(10)
    assert calibration_error(sure, np.arange(10)) == 0
    assert calibration_error(sure, np.arange(10)[::-1]) == 1


def test_scores_are_those_of_torch():
    logits = torch.randn(400, 10) * 5
    labels = torch.randint(10, (400,))
    found = scores(logits.numpy(), labels.numpy())
    assert found.loss == pytest.approx(F.cross_entropy(logits.double(), labels).item(), rel=1e-14)
    assert found.accuracy == (logits.argmax(1) == labels).double().mean().item()


def test_a_loss_that_overflows_float32_is_finite():
    assert scores(np.array([[3e38, -3e38]], dtype=np.float32), np.array([1])).loss == (
        pytest.approx(6e38)
    )


def test_the_ensemble_averages_probabilities_by_weight():
    members = [torch.randn(50, 4) * scale for scale in (1, 3, 9)]
    found = ensemble([one.numpy() for one in members], [1, 0, 3])
    wanted = (members[0].double().softmax(1) + 3 * members[2].double().softmax(1)) / 4
    np.testing.assert_allclose(np.exp(found), wanted.numpy(), rtol=1e-12)


def test_the_bins_of_reliability_hold_all_images_and_give_the_calibration_error():
    probabilities, labels = drawn(300)
    bins = reliability(probabilities, labels)
    assert bins.count.sum() == 300
    filled = bins.count > 0
    gaps = np.abs(bins.accuracy - bins.confidence)[filled] * bins.count[filled]
    assert gaps.sum() / 300 == pytest.approx(calibration_error(probabilities, labels))
    assert np.isnan(bins.accuracy[~filled]).all()


def test_reliability_by_hand():
    """Confidence 0.6 right, 0.6 wrong, 1.0 right; two bins, (0, 0.5] and (0.5, 1]."""
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.0, 1.0], [0.5, 0.5]])
    bins = reliability(probabilities, np.array([0, 1, 1, 0]), bins=2)
    assert bins.count.tolist() == [1, 3]
    assert bins.confidence.tolist() == pytest.approx([0.5, 2.2 / 3])
    assert bins.accuracy.tolist() == pytest.approx([1, 2 / 3])
    empty = reliability(probabilities, np.array([0, 1, 1, 0]), bins=4)
    assert np.isnan(empty.accuracy[0])


def test_a_weight_that_vanishes_beside_the_others_counts_nothing():
    members = [np.array([[0.0, 1.0]]), np.array([[5.0, 0.0]])]
    np.testing.assert_array_equal(ensemble(members, [5e-324, 1]), ensemble(members, [0, 1]))


def test_the_prediction_is_the_largest_logit_however_little_larger():
    logits = np.array([[1.0, 1.0 + 2e-16]])
    assert scores(logits, np.array([1])).accuracy == 1


@pytest.mark.parametrize("scale", [1, 30, 1e30])
def test_log_probabilities_and_ensembles_are_scipys(scale):
    generator = np.random.default_rng(0)
    members = [(scale * generator.normal(size=(50, 10))).astype(np.float32) for _ in range(5)]
    members.append(members[0])  # equal largest terms
    wanted = [log_softmax(one.astype(np.float64), axis=1) for one in members]
    for one, other in zip(members, wanted, strict=True):
        np.testing.assert_allclose(log_probabilities(one), other, rtol=1e-14)
    together = logsumexp(np.stack(wanted) - math.log(len(members)), axis=0)
    np.testing.assert_allclose(ensemble(members, [1] * len(members)), together, rtol=1e-13)
