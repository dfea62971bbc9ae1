"""Refuses the name of a model that a library doesn't have.

raise unknown("resnet81", ["resnet18", "vgg16"], "a classifier of torchvision")
# model.name = resnet81: allowed: a classifier of torchvision; nearest: resnet18, vgg16
"""

import difflib
from collections.abc import Sequence

from polyak.errors import ConfigError


def unknown(name: str, known: Sequence[str], what: str) -> ConfigError:
    """The error to raise. `what` is what the `known` names are; the three nearest are named."""
    nearest = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.0)
    return ConfigError(f"model.name = {name}: allowed: {what}; nearest: {', '.join(nearest)}")
