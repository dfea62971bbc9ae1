"""The classifiers of torchvision.models, by name, for images of any number of channels.

model = classifier(input_shape=(3, 32, 32), classes=10, name="resnet18", stem="small")
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn
from torchvision import models

from polyak.errors import ConfigError
from polyak.models.refusals import unfit, unknown


def classifier(
    input_shape: Sequence[int],
    classes: int,
    name: str,
    stem: Literal["paper", "small"] = "paper",
) -> nn.Module:
    """An untrained network that maps images [N, C, H, W] to logits [N, classes].

    It is torchvision's own, with torchvision's initialisation; auxiliary classifiers are left out.
    For other than 3 channels its first convolution is made anew, and drawn as the others are.

    `stem="small"` is for images of about 32x32, of which a stem for 224x224 leaves too little: the
    first convolution is 3x3 of stride 1, and a max-pool right behind it is left out, as He et al.
    (arXiv:1512.03385, sec. 4.2) do for CIFAR-10. Raises ConfigError for a name that is no
    classifier of torchvision, images that the network can't take, or a stem that isn't known.
    """
    known = models.list_models(module=models)
    if name not in known:
        raise unknown(name, known, "a classifier of torchvision")
    try:
        model: nn.Module = models.get_model(
            name, weights=None, num_classes=classes, **_options(name, input_shape)
        )
    except (AssertionError, ValueError) as error:
        raise unfit(name, input_shape, error) from error
    family = _FAMILIES.get(type(model).__name__)
    if stem == "small":
        if family is None or not family.small:
            raise ConfigError(
                f"model.stem = small: not known for model.name = {name}; allowed: paper, or small "
                f"with {', '.join(key for key, one in _FAMILIES.items() if one.small)}"
            )
        _make_small(model, family, input_shape[0])
    elif input_shape[0] != 3:
        if family is None:
            raise unfit(name, input_shape, "they must have 3 channels")
        _replace_first(model, family, in_channels=input_shape[0])
    return model


def _options(name: str, input_shape: Sequence[int]) -> dict[str, Any]:
    """What a network must be told of, beside the number of classes."""
    _, height, width = input_shape
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": True}
    if name.startswith("maxvit"):
        return {"input_size": (height, width)}
    if name.startswith("vit_"):
        if height != width:
            raise ValueError("they must be square")
        return {"image_size": height}
    return {}


@dataclass(frozen=True)
class _Family:
    """`draw` fills the weights of the first convolution as torchvision does, its bias being zero;
    None: both are drawn as nn.Conv2d does. `small`: the stem for small images is plain, and `pool`
    is the max-pool that it leaves out."""

    draw: Callable[[Tensor], object] | None
    small: bool = False
    pool: str | None = None


def _draw_patches(weight: Tensor) -> None:
    nn.init.trunc_normal_(weight, std=math.sqrt(1 / weight[0].numel()))


_fan_out = partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu")
_cut_off = partial(nn.init.trunc_normal_, a=-2, b=2)

_FAMILIES: Mapping[str, _Family] = {
    "AlexNet": _Family(None),
    "ConvNeXt": _Family(partial(nn.init.trunc_normal_, std=0.02)),
    "DenseNet": _Family(nn.init.kaiming_normal_, small=True, pool="features.pool0"),
    "EfficientNet": _Family(_fan_out, small=True),
    "GoogLeNet": _Family(partial(_cut_off, std=0.01)),
    "Inception3": _Family(partial(_cut_off, std=0.1)),
    "MNASNet": _Family(_fan_out, small=True),
    "MaxVit": _Family(partial(nn.init.normal_, std=0.02)),
    "MobileNetV2": _Family(_fan_out, small=True),
    "MobileNetV3": _Family(_fan_out, small=True),
    "RegNet": _Family(_fan_out, small=True),
    "ResNet": _Family(_fan_out, small=True, pool="maxpool"),
    "ShuffleNetV2": _Family(None, small=True, pool="maxpool"),
    "SqueezeNet": _Family(nn.init.kaiming_uniform_),
    "SwinTransformer": _Family(None),
    "VGG": _Family(_fan_out),
    "VisionTransformer": _Family(_draw_patches),
}
"""By the name of the class."""


def _make_small(model: nn.Module, family: _Family, channels: int) -> None:
    _replace_first(model, family, in_channels=channels, kernel_size=3, stride=1, padding=1)
    if family.pool is not None:
        model.set_submodule(family.pool, nn.Identity())


def _replace_first(model: nn.Module, family: _Family, **changes: int) -> None:
    """Put a new convolution in place of the first, as that one is but for the `changes`."""
    path, first = next(
        (path, layer) for path, layer in model.named_modules() if isinstance(layer, nn.Conv2d)
    )
    kept = ("in_channels", "out_channels", "kernel_size", "stride", "padding")
    options: dict[str, Any] = {key: getattr(first, key) for key in kept} | changes
    made = nn.Conv2d(**options, bias=first.bias is not None)
    if family.draw is not None:
        family.draw(made.weight)
        if made.bias is not None:
            nn.init.zeros_(made.bias)
    model.set_submodule(path, made)
