"""Metrics by split, as a Recorder takes them, from names that begin with one.

by_split({"val_acc": 0.8, "train/loss_epoch": 0.6})
# {"validation": {"acc": 0.8}, "train": {"loss_epoch": 0.6}}
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

_SPLITS = {
    **dict.fromkeys(("validation", "valid", "val", "eval", "dev"), "validation"),
    **dict.fromkeys(("training", "train"), "train"),
    "test": "test",
}
_NAME = re.compile(rf"({'|'.join(_SPLITS)})[^a-z0-9]+(.+)")


def by_split(said: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Those of `said` that are numbers, or tensors of one, and whose names begin with a split's;
    others say of nothing what they are. The rest of the name, with underscores for what isn't a
    letter or digit, is the metric's. Where a step's and an epoch's value have a common one, which
    is the epoch's, that is taken."""
    found: dict[str, dict[str, float]] = {}
    for name, value in said.items():
        match = _NAME.fullmatch(name.lower())
        number = isinstance(value, int | float) or (
            isinstance(value, Tensor) and value.numel() == 1
        )
        again = re.sub("_(step|epoch)$", "", name)
        if match and number and (again == name or again not in said):
            metric = re.sub("[^a-z0-9]+", "_", match[2]).strip("_")[:40]
            found.setdefault(_SPLITS[match[1]], {})[metric or "_"] = float(value)
    return found
