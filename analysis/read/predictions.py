"""Logits of runs on each image, from their predictions/; ensembles and reliability of them.

found = Predictions(Path("outputs/runs/NAME"), "test")
logs = found.log_probabilities("average")   # float64 [N, classes]
reliability(np.exp(logs), found.labels)
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.special import log_softmax, logsumexp

from analysis.read.directories import AnalysisError

Array = NDArray[Any]


class Predictions:
    """A finished run's logits on a split. Reading raises AnalysisError where a file is missing,
    corrupted, or has other images than the labels."""

    def __init__(self, run: Path, split: str) -> None:
        self._folder = run / "predictions" / split

    @cached_property
    def labels(self) -> Array:
        """int64 [N]."""
        return self._read("labels", "labels")

    def log_probabilities(self, name: str) -> Array:
        """float64 [N, classes] of "average" or of a zero-based epoch: "10"."""
        logits = self._read(name if name == "average" else f"epoch_{int(name):03d}", "logits")
        if len(logits) != len(self.labels):
            raise AnalysisError(
                f"{self._folder}: {name} has {len(logits)} images, the labels {len(self.labels)}"
            )
        found: Array = log_softmax(logits.astype(np.float64), axis=1)
        return found

    def ensemble(self, window: range, weights: Sequence[float]) -> Array:
        """float64 [N, classes]: log of the mean probabilities of the window's checkpoints, with the
        average's weights."""
        return ensemble([self.log_probabilities(str(epoch)) for epoch in window], weights)

    def correct(self, log_probabilities: Array) -> Array:
        """bool [N]: whether the most probable class (the first of equals) is the label."""
        found: Array = log_probabilities.argmax(axis=1) == self.labels
        return found

    def _read(self, name: str, tensor: str) -> Array:
        path = self._folder / f"{name}.safetensors"
        try:
            found: Array = load_file(path)[tensor]
        except (OSError, SafetensorError, KeyError) as error:
            raise AnalysisError(f"{path}: can't be read ({error})") from error
        return found


def ensemble(members: Sequence[Array], weights: Sequence[float]) -> Array:
    """Log of the weighted mean of probabilities, float64 [N, classes], of log probabilities."""
    shares = np.asarray(weights, dtype=np.float64)
    kept = shares > 0
    stacked = np.stack([one for one, keep in zip(members, kept, strict=True) if keep])
    found: Array = logsumexp(stacked, axis=0, b=(shares[kept] / shares.sum())[:, None, None])
    return found


def reliability(probabilities: Array, labels: Array, bins: int = 15) -> pd.DataFrame:
    """For equal-width bins (low, high] of confidence: low, high, count, and mean confidence and
    accuracy (fractions, NaN in an empty bin) of [N, classes] against labels [N].

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599), with 15 bins as there.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int), 1, bins) - 1
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return pd.DataFrame(
            {
                "low": np.arange(bins) / bins,
                "high": np.arange(1, bins + 1) / bins,
                "count": count,
                "confidence": np.bincount(place, confidence, bins) / count,
                "accuracy": np.bincount(place, right, bins) / count,
            }
        )
