"""What choices and windows are called where a person reads them. Needs no torch.

name_of({"_target_": "polyak.models.torchvision.classifier", "name": "resnet18"})   # "resnet18"
epochs_of(range(10, 20))   # "epochs 10..19"
"""

from collections.abc import Mapping
from typing import Any


def name_of(choice: Mapping[str, Any]) -> str:
    """Its own `name` where its values have one, or that of what its `_target_` calls."""
    return str(choice.get("name") or str(choice.get("_target_", "?")).rpartition(".")[2])


def epochs_of(window: range, start: float | None = None) -> str:
    """ "epochs 10..19", or from a `start` within the first "epochs 10.5..19"."""
    return f"epochs {window[0] if start is None else start}..{window[-1]}"
