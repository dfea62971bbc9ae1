"""What is said of a network of another library that can't be had, or can't take the images.

raise unknown("resnet81", ["resnet18", "vgg16"], "a classifier of torchvision")
# model.name = resnet81: allowed: a classifier of torchvision; nearest: resnet18, vgg16
"""

import difflib
from collections.abc import Sequence

from polyak.errors import ConfigError


def unknown(name: str, known: Sequence[str], what: str) -> ConfigError:
    """The error for a `name` that is none of `known`, which are `what`; it names the nearest."""
    nearest = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.0)
    return ConfigError(f"model.name = {name}: allowed: {what}; nearest: {', '.join(nearest)}")


def unfit(name: str, input_shape: Sequence[int], why: Exception | str) -> ConfigError:
    """The error for images of `input_shape` that the network can't take. Of an exception `why`,
    the first line is said."""
    reason = (str(why) or type(why).__name__).splitlines()[0]
    return ConfigError(
        f"model.name = {name}: can't take images of {list(input_shape)} (C, H, W): {reason}"
    )
