"""The networks of timm, by name: `pip install -e '.[timm]'`.

model = classifier(input_shape=(3, 32, 32), classes=10, name="vit_tiny_patch16_224", patch_size=4)
"""

from collections.abc import Sequence
from typing import Any

from torch import nn

from polyak.errors import ConfigError
from polyak.models.refusals import unfit, unknown
from polyak.parameters import Count


def classifier(
    input_shape: Sequence[int], classes: int, name: str, patch_size: Count | None = None
) -> nn.Module:
    """An untrained network that maps images [N, C, H, W] to logits [N, classes].

    It is timm's own, with timm's initialisation, and made for H x W where it is one for a fixed
    size of images. `patch_size` is for networks that cut images into patches: those of 16 pixels
    leave 4 of a 32x32 image. None: that of the name.

    Raises ConfigError where timm isn't installed, for a name that it doesn't have (names of
    pretrained weights, as in resnet18.a1_in1k, are none), and for images or a patch size that the
    network can't take.
    """
    try:
        import timm
        from timm.layers.patch_embed import PatchEmbed
    except ImportError as error:
        raise ConfigError(
            f"model.name = {name}: timm can't be imported ({error}); "
            "allowed: after pip install -e '.[timm]' in the repository"
        ) from error
    known = timm.list_models()
    if name not in known:
        raise unknown(name, known, "a model of timm, without the name of pretrained weights")
    channels, height, width = input_shape
    options: dict[str, Any] = {} if patch_size is None else {"patch_size": patch_size}
    described = timm.models.get_pretrained_cfg(name)
    if described is not None and described.fixed_input_size:
        options["img_size"] = (height, width)
    try:
        model: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=classes, in_chans=channels, **options
        )
    except TypeError as error:
        if patch_size is None or "patch_size" not in str(error):
            raise
        raise ConfigError(
            f"model.patch_size = {patch_size}: {name} has no patches; allowed: null"
        ) from error
    except (AssertionError, ArithmeticError, RuntimeError, ValueError) as error:
        raise unfit(name, input_shape, error) from error
    patches = getattr(model, "patch_embed", None)
    if isinstance(patches, PatchEmbed) and not patches.dynamic_img_pad:
        down, across = patches.patch_size
        if height % down or width % across:  # what is left over would be ignored
            raise unfit(name, input_shape, f"patches of {down}x{across} don't fill them")
    return model
