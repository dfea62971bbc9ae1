"""Logits of runs on each image, from their predictions/.

found = Predictions(Path("outputs/runs/NAME"), "test")
found.log_probabilities("average")   # float64 [N, classes]
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from analysis.read.directories import AnalysisError
from polyak import files
from polyak.evaluation.scores import Array, Scores, ensemble, log_probabilities, scores
from polyak.store import paths

Model = Literal["average", "last_refreshed"]

Length = Annotated[int, Field(ge=1)]

_STRICT = ConfigDict(strict=True)
_AGAIN = "run it again, or leave it out"


class Logits(BaseModel):
    """The tensor "logits" [images, classes]."""

    model_config = _STRICT
    dtype: Literal["F32"]
    shape: tuple[Length, Length]


class Labels(BaseModel):
    """The tensor "labels" [images]."""

    model_config = _STRICT
    dtype: Literal["I64"]
    shape: tuple[Length]


_SCHEMAS: Mapping[str, type[BaseModel]] = {"logits": Logits, "labels": Labels}


class Predictions:
    """A finished run's logits on a split. Reading raises PolyakError where a file is missing,
    corrupted, of another dtype or shape, not finite, or has other images than the labels."""

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
        logits, path = self._read(what, "logits"), self._path(what)
        if len(logits) != len(self.labels):
            raise AnalysisError(
                f"{path}: logits are of {len(logits):,} images, and labels.safetensors has "
                f"{len(self.labels):,}; {_AGAIN}"
            )
        low, high = self.labels.min(), self.labels.max()
        if not 0 <= low <= high < logits.shape[1]:
            raise AnalysisError(
                f"{self._path('labels')}: labels are from {low} to {high}, and {path.name} has "
                f"{logits.shape[1]:,} classes; {_AGAIN}"
            )
        return logits

    def correct(self, log_probabilities: Array) -> Array:
        """bool [N]: whether the most probable class (the first of equals) is the label."""
        found: Array = log_probabilities.argmax(axis=1) == self.labels
        return found

    def _path(self, what: int | Model | Literal["labels"]) -> Path:
        return paths.predictions(self._run, self._split, what)

    def _read(self, what: int | Model | Literal["labels"], name: str) -> Array:
        path = self._path(what)
        try:
            for folder in (path.parent.parent, path.parent):
                files.real_directory(folder)
            files.check_regular(path, AnalysisError)
            with safe_open(path, framework="np") as file:
                if name not in file.keys():  # noqa: SIM118 (safetensors has no __contains__)
                    raise AnalysisError(f"{path}: has no tensor {name}; {_AGAIN}")
                stored = file.get_slice(name)
                _SCHEMAS[name](dtype=stored.get_dtype(), shape=tuple(stored.get_shape()))
                found: Array = file.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise AnalysisError(
                f"{path}: can't be read ({files.shown(str(error), 200)})"
            ) from error
        except ValidationError as error:
            wrong = error.errors(include_url=False)[0]
            raise AnalysisError(
                f"{path}: {name}: {wrong['loc'][0]} is {files.shown(wrong['input'])}: "
                f"{wrong['msg'][0].lower()}{wrong['msg'][1:]}; {_AGAIN}"
            ) from None
        if name == "logits" and not np.isfinite(found).all():
            raise AnalysisError(f"{path}: logits are not all finite; {_AGAIN}")
        return found
