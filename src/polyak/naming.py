"""What a choice is called where a person reads it. Needs no torch.

name_of({"_target_": "polyak.models.torchvision.classifier", "name": "resnet18"})   # "resnet18"
"""

from collections.abc import Mapping
from typing import Any


def name_of(choice: Mapping[str, Any]) -> str:
    """Its own `name` where its values have one, or that of what its `_target_` calls."""
    return str(choice.get("name") or str(choice.get("_target_", "?")).rpartition(".")[2])
