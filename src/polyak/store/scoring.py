"""Scores of stored logits, computed once per process.

scores = of_logits(path, sha256, labels)
check_finite("test", scores, result)
"""

import math
from pathlib import Path

import torch
from torch import Tensor

from polyak.errors import DivergedError
from polyak.evaluation.scores import Scores, scores
from polyak.training.result import EpochResult
from polyak.weights import checkpoint

_known: dict[str, Scores] = {}
"""By the logits' SHA-256 and the evaluation key: a sweep's runs score the same logits."""


def of_logits(path: Path, sha256: str, labels: Tensor) -> Scores:
    """Those of the logits in the file `path`, which has that SHA-256, against labels [N]."""
    name = f"{path.parent.name} {sha256}"
    if name not in _known:
        found = checkpoint.tensor(path, "logits", torch.float32, (len(labels), None))
        _known[name] = scores(found.numpy(), labels.numpy())
    return _known[name]


def check_finite(split: str, found: Scores, result: EpochResult) -> None:
    """Raise DivergedError for a loss on a split that is not finite."""
    if not math.isfinite(found.loss):
        raise DivergedError(
            f"training diverged: the {split} loss is {found.loss} after epoch {result.epoch} "
            f"at lr {result.lr:g}; try a smaller optimizer.lr",
            epoch=result.epoch,
        )
