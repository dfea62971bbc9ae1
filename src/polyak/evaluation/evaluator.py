"""Many weights on the same images.

evaluator = Evaluator(model, dataset.evaluated, device, Inference())
found = evaluator.logits(checkpoint.tensors)        # {"test": float32 [N, classes]}
evaluator.scores(found)["test"].accuracy
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from polyak.data.dataset import Split
from polyak.errors import EvaluationError
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import Scores, scores
from polyak.weights.layout import load_into


class Evaluates(Protocol):
    """Anything that evaluates many weights on the same images: `Evaluator`, or a function of
    somebody's own. What `logits` gives of weights, `scores` takes."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that it evaluates on."""

    def logits(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits, float32 [N, classes] on CPU, of a state dict, by split."""

    def scores(self, found: Mapping[str, Tensor]) -> dict[str, Scores]:
        """Their scores, by split."""


@contextmanager
def evaluating(what: str) -> Iterator[None]:
    """Name what was evaluated in an EvaluationError from inside."""
    try:
        yield
    except EvaluationError as error:
        raise EvaluationError(f"{what}: {error}") from error.__cause__


class Evaluator:
    """One model on the same images with many weights: nothing is rebuilt between them."""

    def __init__(
        self, model: nn.Module, splits: Mapping[str, Split], device: torch.device, how: Inference
    ) -> None:
        self._model, self._splits, self._how = model.to(device), splits, how
        self._pixels = {name: split.images.to(device) for name, split in splits.items()}

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that it evaluates on."""
        return tuple(self._splits)

    def logits(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits, float32 [N, classes] on CPU, of a state dict, by split. Raises CheckpointError
        where it is another model's."""
        load_into(self._model, state)
        return {
            name: logits(self._model, pixels, self._how) for name, pixels in self._pixels.items()
        }

    def scores(self, found: Mapping[str, Tensor]) -> dict[str, Scores]:
        """Scores of logits, by split."""
        return {
            name: scores(one.numpy(), self._splits[name].labels.numpy())
            for name, one in found.items()
        }
