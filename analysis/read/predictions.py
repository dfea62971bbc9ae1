"""Logits of runs on each image, from their predictions/.

found = Predictions(Path("outputs/runs/NAME"), "test")
found.log_probabilities("average")   # float64 [N, classes]
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from analysis.read.directories import AnalysisError
from polyak.evaluation.scores import Array, Scores, ensemble, log_probabilities, scores
from polyak.store import paths

Model = Literal["average", "last_refreshed"]


class Predictions:
    """A finished run's logits on a split. Reading raises AnalysisError where a file is missing,
    corrupted, or has other images than the labels."""

    def __init__(self, run: Path, split: str) -> None:
        self._run, self._split = run, split

    @cached_property
    def labels(self) -> Array:
        """int64 [N]."""
        return self._read("labels", "labels")

    def log_probabilities(self, what: int | Model) -> Array:
        """float64 [N, classes] of a zero-based epoch's checkpoint, of the average, or
        of the window's last checkpoint with refreshed statistics."""
        return log_probabilities(self._logits(what))

    def scores(self, what: int | Model) -> Scores:
        """Of the logits, against the labels."""
        return scores(self._logits(what), self.labels)

    def ensemble(self, window: range, weights: Sequence[float]) -> Array:
        """float64 [N, classes]: log of the mean probabilities of the window's checkpoints, with the
        average's weights."""
        return ensemble([self._logits(epoch) for epoch in window], weights)

    def _logits(self, what: int | Model) -> Array:
        logits = self._read(what, "logits")
        if len(logits) != len(self.labels):
            path = paths.predictions(self._run, self._split, what)
            raise AnalysisError(f"{path}: {len(logits)} images, and {len(self.labels)} labels")
        if not 0 <= self.labels.min() <= self.labels.max() < logits.shape[1]:
            path = paths.predictions(self._run, self._split, what)
            raise AnalysisError(f"{path}: labels that are no class of its {logits.shape[1]}")
        return logits

    def correct(self, log_probabilities: Array) -> Array:
        """bool [N]: whether the most probable class (the first of equals) is the label."""
        found: Array = log_probabilities.argmax(axis=1) == self.labels
        return found

    def _read(self, what: int | Model | Literal["labels"], tensor: str) -> Array:
        path = paths.predictions(self._run, self._split, what)
        try:
            found: Array = load_file(path)[tensor]
        except FileNotFoundError as error:
            raise AnalysisError(f"{path}: there is no such file") from error
        except (OSError, SafetensorError, KeyError) as error:
            raise AnalysisError(f"{path}: can't be read ({error})") from error
        whole = found.ndim == 1 and np.issubdtype(found.dtype, np.integer)
        if tensor == "logits":
            whole = found.ndim == 2 and bool(np.isfinite(found).all())
        if not whole or not found.size:
            shape = f"{found.dtype} {list(found.shape)}"
            raise AnalysisError(f"{path}: {tensor} are {shape}, or not finite")
        return found
