import pytest
import torch
from torch import nn

from polyak.evaluation import logits as module
from polyak.evaluation.logits import Inference, logits


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 3))


@pytest.fixture
def images():
    return torch.randint(256, (7, 3, 2, 2), dtype=torch.uint8)


def test_logits_are_those_of_evaluation_mode_whatever_the_mode(model, images):
    model.train()
    first = logits(model, images, Inference())
    assert model.training
    model.eval()
    assert torch.equal(first, logits(model, images, Inference()))
    assert not model.training
    assert first.shape == (7, 3)


def test_every_image_is_evaluated_once_in_order(model, images, monkeypatch):
    whole = logits(model, images, Inference())
    monkeypatch.setattr(module, "BATCH_SIZE", 3)
    torch.testing.assert_close(logits(model, images, Inference()), whole)


def test_bf16_logits_are_float32_and_near(model, images):
    ours = logits(model, images, Inference("bf16"))
    wanted = logits(model, images, Inference())
    assert ours.dtype == torch.float32
    assert not torch.equal(ours, wanted)
    torch.testing.assert_close(ours, wanted, atol=0.05, rtol=0.05)
