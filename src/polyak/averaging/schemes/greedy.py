"""The checkpoints that help on validation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from polyak.averaging.scheme import Scheme, Validation


@dataclass(frozen=True)
class Greedy(Scheme):
    """Greedy soup: checkpoints in the order of their validation accuracy (the earlier first of
    equals), each kept where the uniform average with it is at least as accurate (Wortsman et al.
    2022, https://arxiv.org/abs/2203.05482). Weights are 0 or 1."""

    running: ClassVar[bool] = False
    needs_validation: ClassVar[bool] = True

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        if validation is None:
            raise ValueError("greedy needs a validation split to choose checkpoints on")
        accuracies = validation.accuracies
        weights, best = [0] * len(epochs), -math.inf
        for place in sorted(range(len(epochs)), key=lambda place: -accuracies[place]):
            trial = [*weights]
            trial[place] = 1
            accuracy = validation.accuracy_of(trial)
            if accuracy >= best:
                weights, best = trial, accuracy
        return weights
