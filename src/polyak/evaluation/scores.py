"""How good logits are: loss, accuracy, calibration, ensembles; in numpy, for runs and analysis.

    scores(logits, labels).accuracy
    scores(ensemble([logits, others], weights=[1, 1]), labels)

Everything is computed in float64. It needs no torch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BINS = 15
"""Equal-width bins of confidence, as in Guo et al. 2017."""


@dataclass(frozen=True)
class Scores:
    """Mean cross entropy (nats), accuracy and expected calibration error (fractions)."""

    loss: float
    accuracy: float
    calibration_error: float

    @property
    def by_name(self) -> dict[str, float]:
        """Each by its name, and `others`."""
        return {"loss": self.loss, "accuracy": self.accuracy} | {
            "calibration_error": self.calibration_error
        }

    @property
    def others(self) -> dict[str, float]:
        """Further ones."""
        return {}


@dataclass(frozen=True)
class Told(Scores):
    """Scores as somebody's own function gives them: `told` by name. What it doesn't give is NaN,
    and not in `by_name`."""

    told: Mapping[str, float]

    @classmethod
    def of(cls, told: Mapping[str, float]) -> Self:
        """Those of these names and values."""
        loss, accuracy, calibration_error = (
            told.get(name, math.nan) for name in ("loss", "accuracy", "calibration_error")
        )
        return cls(loss, accuracy, calibration_error, dict(told))

    @property
    def by_name(self) -> dict[str, float]:
        return dict(self.told)

    @property
    def others(self) -> dict[str, float]:
        own = ("loss", "accuracy", "calibration_error")
        return {name: value for name, value in self.told.items() if name not in own}


@dataclass(frozen=True)
class Reliability:
    """Bins (low, high] of confidence: the number of images in each, and their mean confidence and
    accuracy (fractions, NaN in an empty bin); float64 [bins] each."""

    low: Array
    high: Array
    count: Array
    confidence: Array
    accuracy: Array


def log_probabilities(logits: Array) -> Array:
    """float64 [N, classes] of logits [N, classes]."""
    precise = logits.astype(np.float64)
    highest = precise.max(axis=1, keepdims=True)
    shifted = precise - np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        found: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def scores(logits: Array, labels: Array) -> Scores:
    """Scores of logits [N, classes] against labels, integers [N].

    Where two classes are equally likely, the first is the prediction, as argmax has it.
    """
    found = log_probabilities(logits)
    return Scores(
        loss=-float(found[np.arange(len(labels)), labels].mean()),
        # Of the logits: differences below 1e-16 are lost in the log probabilities.
        accuracy=int((logits.argmax(axis=1) == labels).sum()) / len(labels),
        calibration_error=calibration_error(np.exp(found), labels),
    )


def ensemble(members: Sequence[Array], weights: Sequence[float]) -> Array:
    """Log probabilities, float64 [N, classes], of the ensemble that averages the probabilities of
    several logits [N, classes]; as logits, they are scored by `scores`."""
    total = math.fsum(weights)
    kept = [
        log_probabilities(one) + math.log(weight / total)
        for one, weight in zip(members, weights, strict=True)
        if weight / total > 0
    ]
    return _log_of_sum(np.stack(kept))


def _log_of_sum(logarithms: Array) -> Array:
    """log(sum(exp(logarithms))) over the first axis, of float64; the largest terms are apart, as
    in scipy.special.logsumexp, whose import takes longer than all evaluations of a small run."""
    highest = logarithms.max(axis=0)
    are_highest = logarithms == highest
    count = are_highest.sum(axis=0).astype(np.float64)
    found: Array
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.exp(np.where(are_highest, -np.inf, logarithms) - highest).sum(axis=0) / count
        found = np.log1p(rest) + np.log(count) + highest
        found = np.where(np.isfinite(found), found, highest)
    return found


def calibration_error(probabilities: Array, labels: Array, bins: int = BINS) -> float:
    """Expected calibration error, a fraction: mean |accuracy - confidence| over equal-width bins
    (lower, upper] of `probabilities` [N, classes] against labels [N].

    Guo et al. 2017, https://arxiv.org/abs/1706.04599.
    """
    place, confidence, correct = _binned(probabilities, labels, bins)
    return float(np.abs(np.bincount(place, correct - confidence, bins)).sum()) / len(labels)


def reliability(probabilities: Array, labels: Array, bins: int = BINS) -> Reliability:
    """The bins of a reliability diagram, as for `calibration_error`."""
    place, confidence, correct = _binned(probabilities, labels, bins)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            low=np.arange(bins) / bins,
            high=np.arange(1, bins + 1) / bins,
            count=count,
            confidence=np.bincount(place, confidence, bins) / count,
            accuracy=np.bincount(place, correct, bins) / count,
        )


def _binned(probabilities: Array, labels: Array, bins: int) -> tuple[Array, Array, Array]:
    """Of each image: its bin, its confidence, and whether the prediction is the label; [N] each."""
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(int), 1, bins) - 1
    return place, confidence, correct
