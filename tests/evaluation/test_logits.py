import math

import pytest
import torch
from torch import nn

from polyak.data.dataset import make_split
from polyak.evaluation import logits as evaluation
from polyak.evaluation.logits import calibration_error, evaluation_key, scores


def test_scores_of_known_logits():
    answers = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    result = scores(answers, torch.tensor([0, 0, 0]))
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
            accuracy = sum(right for _, right in inside) / len(inside)
            total += len(inside) / len(labels) * abs(accuracy - confidence)
    return total


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_calibration_error_equals_the_slow_definition(bins):
    torch.manual_seed(0)
    probabilities = (3 * torch.randn(500, 10, dtype=torch.float64)).softmax(1)
    labels = torch.randint(10, (500,))
    wanted = slow_calibration_error(probabilities, labels, bins)
    assert calibration_error(probabilities, labels, bins) == pytest.approx(wanted, abs=1e-12)


def test_calibration_error_of_the_sure_and_right_is_0_and_of_the_sure_and_wrong_1():
    sure = torch.eye(10, dtype=torch.float64)
    assert calibration_error(sure, torch.arange(10)) == 0
    assert calibration_error(sure, torch.arange(10).flip(0)) == 1


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 3))


@pytest.fixture
def images():
    return torch.randint(256, (7, 3, 2, 2), dtype=torch.uint8)


def test_logits_are_those_of_evaluation_mode_whatever_the_mode(model, images):
    model.train()
    first = evaluation.logits(model, images, precision="fp32")
    assert model.training
    model.eval()
    assert torch.equal(first, evaluation.logits(model, images, precision="fp32"))
    assert not model.training
    assert first.shape == (7, 3)


def test_every_image_is_evaluated_once_in_order(model, images, monkeypatch):
    whole = evaluation.logits(model, images, precision="fp32")
    monkeypatch.setattr(evaluation, "BATCH_SIZE", 3)
    torch.testing.assert_close(evaluation.logits(model, images, precision="fp32"), whole)


def test_bf16_logits_are_float32_and_near(model, images):
    ours = evaluation.logits(model, images, precision="bf16")
    wanted = evaluation.logits(model, images, precision="fp32")
    assert ours.dtype == torch.float32
    assert not torch.equal(ours, wanted)
    torch.testing.assert_close(ours, wanted, atol=0.05, rtol=0.05)


def test_the_key_names_content_and_precision(images):
    labels = torch.arange(7)
    key = evaluation_key(make_split(images, labels, None), "fp32")
    assert key == evaluation_key(make_split(images.clone(), labels.clone(), 7), "fp32")
    others = {
        evaluation_key(make_split(images, labels, None), "bf16"),
        evaluation_key(make_split(images, labels, 6), "fp32"),
        evaluation_key(make_split(images, labels.flip(0), None), "fp32"),
        evaluation_key(make_split(images.flip(0), labels, None), "fp32"),
    }
    assert len(others | {key}) == 5
