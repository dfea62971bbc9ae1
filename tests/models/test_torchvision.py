import pytest
import torch
from torch import nn
from torchvision import models

from polyak.errors import ConfigError
from polyak.models import torchvision
from polyak.models.torchvision import classifier

SMALL = (3, 32, 32)

FAMILIES = [
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf"),
    *("resnet18", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vgg11", "vit_b_16"),
]
STEMS = {
    "densenet121": "features.pool0",
    "efficientnet_b0": None,
    "mnasnet0_5": None,
    "mobilenet_v2": None,
    "mobilenet_v3_small": None,
    "regnet_y_400mf": None,
    "resnet18": "maxpool",
    "resnext50_32x4d": "maxpool",
    "shufflenet_v2_x0_5": "maxpool",
}
"""Networks with a small stem, and the pool that it leaves out."""


def first_convolution(model):
    return next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))


def test_three_channels_and_the_papers_stem_are_torchvisions_own():
    torch.manual_seed(0)
    theirs = models.mobilenet_v3_small(weights=None, num_classes=7).state_dict()
    torch.manual_seed(0)
    ours = classifier(SMALL, 7, "mobilenet_v3_small").state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_every_family_of_torchvision_is_tested_here():
    def files(names):
        return {models.get_model_builder(name).__module__ for name in names}

    assert files(FAMILIES) == files(models.list_models(module=models))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_first_convolution_for_other_channels_is_drawn_as_torchvision_draws_it(name):
    """Two samples of n weights have the same deviation, to five of its standard errors, and the
    same kind of bias; the layer differs in its channels alone."""
    torch.manual_seed(0)
    model = classifier((3, 224, 224), 5, name)
    theirs = first_convolution(model)
    family = torchvision._FAMILIES[type(model).__name__]
    torchvision._replace_first(model, family)
    ours = first_convolution(model)
    assert ours is not theirs
    assert repr(ours) == repr(theirs)
    ratio = (ours.weight.std() / theirs.weight.std()).item()
    assert ratio == pytest.approx(1, abs=5 / theirs.weight.numel() ** 0.5)
    tails = [(one.weight.abs().max() / one.weight.std()).item() for one in (ours, theirs)]
    assert max(tails) < 2 or min(tails) > 2  # uniform, or normal
    if theirs.bias is not None:
        assert bool(ours.bias.any()) == bool(theirs.bias.any())


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", ["densenet121", "resnet18", "googlenet", "vit_b_16", "vgg11"])
def test_takes_other_numbers_of_channels(name, channels):
    shape = (channels, 64, 64)
    with torch.device("meta"):
        model = classifier(shape, 7, name)
        assert first_convolution(model).in_channels == channels
        assert model(torch.zeros(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", STEMS)
def test_a_small_stem_keeps_height_and_width(name, channels):
    model = classifier((channels, 28, 28), 7, name, stem="small").eval()
    stem = first_convolution(model)
    sides = []
    stem.register_forward_hook(lambda _, given, made: sides.extend([given[0].shape, made.shape]))
    assert model(torch.zeros(2, channels, 28, 28)).shape == (2, 7)
    assert [tuple(shape) for shape in sides] == [
        (2, channels, 28, 28),
        (2, stem.out_channels, 28, 28),
    ]
    assert stem.kernel_size == (3, 3)
    if STEMS[name] is not None:
        assert isinstance(model.get_submodule(STEMS[name]), nn.Identity)


def test_a_small_stem_changes_no_other_layer():
    with torch.device("meta"):
        paper = classifier(SMALL, 10, "resnet18").state_dict()
        small = classifier(SMALL, 10, "resnet18", stem="small").state_dict()
    differ = [name for name, tensor in small.items() if tensor.shape != paper[name].shape]
    assert list(small) == list(paper)
    assert differ == ["conv1.weight"]


@pytest.mark.parametrize("name", sorted({*FAMILIES} - {*STEMS}))
def test_a_small_stem_that_is_not_known_is_refused(name):
    with (
        torch.device("meta"),
        pytest.raises(ConfigError, match=rf"model\.stem = small: .* {name}; allowed: paper, or sm"),
    ):
        classifier((3, 224, 224), 10, name, stem="small")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("resnet81", "resnet18, "),
        ("ResNet18", "resnet18, "),
        ("resnet", "resnet"),
        ("fasterrcnn_resnet50_fpn", ""),
        ("fcn_resnet50", "resnet50, "),
        ("quantized_resnet18", "resnet18, "),
        ("r3d_18", ""),
        ("ResNet", ""),
        ("list_models", ""),
        ("", ""),
    ],
)
def test_what_is_no_classifier_is_refused_with_the_nearest_names(name, nearest):
    expected = f"model.name = {name}: allowed: a classifier of torchvision; nearest: {nearest}"
    with pytest.raises(ConfigError) as error:
        classifier(SMALL, 10, name)
    assert str(error.value).startswith(expected)
    named = str(error.value).partition("nearest: ")[2].split(", ")
    assert len(named) == 3
    assert set(named) <= set(models.list_models(module=models))


@pytest.mark.parametrize(
    ("name", "shape", "why"),
    [
        ("vit_b_16", (3, 28, 28), "indivisible by patch size"),
        ("vit_b_16", (3, 32, 48), "they must be square"),
        ("maxvit_t", SMALL, "not divisible by partition size 7"),
    ],
)
def test_images_that_a_network_is_not_made_for_are_refused(name, shape, why):
    with torch.device("meta"), pytest.raises(ConfigError, match=why) as error:
        classifier(shape, 10, name)
    assert str(error.value).startswith(
        f"model.name = {name}: can't take images of {list(shape)} (C, H, W): "
    )
    assert "\n" not in str(error.value)


def test_a_family_that_is_not_known_takes_three_channels(monkeypatch):
    monkeypatch.delitem(torchvision._FAMILIES, "MobileNetV3")
    classifier(SMALL, 10, "mobilenet_v3_small")
    with pytest.raises(ConfigError, match="they must have 3 channels"):
        classifier((1, 32, 32), 10, "mobilenet_v3_small")
    with pytest.raises(ConfigError, match=r"not known for .* = mobilenet_v3_small"):
        classifier(SMALL, 10, "mobilenet_v3_small", stem="small")
