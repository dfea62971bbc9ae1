"""What is true of each network that can be chosen, at a size that is quick."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from polyak.models import timm, torchvision
from polyak.models.initial import initial_model
from polyak.models.preresnet import PreResNet
from polyak.models.small_cnn import SmallCNN
from polyak.models.vgg import VGG
from polyak.models.wide_resnet import WideResNet

NETWORKS = {
    "small_cnn": SmallCNN,
    "small_cnn batch_norm": partial(SmallCNN, batch_norm=True),
    "preresnet 8": partial(PreResNet, depth=8),
    "preresnet 164": partial(PreResNet, depth=164),
    "wide_resnet 10-2": partial(WideResNet, depth=10, widen=2, dropout=0.3),
    "vgg": VGG,
    "vgg batch_norm": partial(VGG, batch_norm=True),
    "torchvision": partial(torchvision.classifier, name="mobilenet_v3_small"),
    "torchvision small": partial(torchvision.classifier, name="resnet18", stem="small"),
    "timm": partial(timm.classifier, name="resnet10t"),
    "timm patches": partial(timm.classifier, name="test_vit", patch_size=4),
}

each = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32)], ids=str)
@each
def test_gives_logits_per_image(make, shape):
    model = make(shape, 7)
    for training in (True, False):
        assert model.train(training)(torch.zeros(2, *shape)).shape == (2, 7)


@each
def test_gradients_reach_every_parameter(make):
    """By the second step: a branch may be multiplied by zero at first."""
    model = initial_model(lambda: make((3, 32, 32), 10), seed=0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    torch.manual_seed(0)
    for _ in range(2):
        optimizer.step()  # the first time there are no gradients
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(8, 3, 32, 32)), torch.arange(8)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@each
def test_initial_weights_follow_from_the_seed(make):
    one, same, other = (
        initial_model(lambda: make((1, 28, 28), 10), seed).state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(tensor, same[name]) for name, tensor in one.items())
    assert not all(torch.equal(tensor, other[name]) for name, tensor in one.items())
