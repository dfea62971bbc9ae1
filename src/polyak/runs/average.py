"""A run's average: the window's checkpoints weighted by the scheme, averaged, evaluated.

average = average_window(run, window, scheme, records, evaluator)
average.scores["test"].accuracy
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from polyak.averaging.mean import mean_of_files, prefix_means
from polyak.averaging.scheme import Scheme
from polyak.data.dataset import Split
from polyak.evaluation import scores as scoring
from polyak.evaluation.evaluator import Evaluator
from polyak.evaluation.scores import Scores
from polyak.runs.metrics import AverageUpTo
from polyak.store import paths
from polyak.store.record import EpochRecord
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint


@dataclass(frozen=True)
class Average:
    """The average of a window: its weights of the checkpoints, tensors, logits and scores by split.

    `growth` has the average up to each epoch that was evaluated, the whole window's last.
    """

    window: range
    scheme: Scheme
    weights: Sequence[float]
    checkpoint: Checkpoint
    logits: Mapping[str, Tensor]
    growth: Sequence[AverageUpTo]

    @property
    def scores(self) -> Mapping[str, Scores]:
        """Of the whole window's average, by split."""
        return self.growth[-1].scores

    @property
    def description(self) -> str:
        """The scheme's, and how many checkpoints count where some don't: "greedy, 3 of 10"."""
        counting = sum(weight > 0 for weight in self.weights)
        some = f", {counting} of {len(self.weights)}" * (counting < len(self.weights))
        return self.scheme.description + some

    def save(self, run: Path) -> None:
        """Write averaged.safetensors, and the average's logits for each split."""
        made_of = {
            "window": [self.window.start, self.window.stop],
            "scheme": self.scheme.description,
        }
        checkpoint.save(paths.average(run), self.checkpoint.tensors, made_of)
        for split, found in self.logits.items():
            path = paths.predictions(run, split, "average")
            checkpoint.save(path, {"logits": found}, made_of)


def average_window(
    run: Path,
    window: range,
    scheme: Scheme,
    records: Sequence[EpochRecord],
    evaluator: Evaluator,
    *,
    running: bool = False,
) -> Average:
    """Average the checkpoints in a run's directory: its own links, since another run may be
    repairing the trajectory. With `running`, also evaluate the average up to each epoch."""
    checkpoints = [paths.checkpoint(run, epoch) for epoch in window]
    validation = _Validation(checkpoints, [records[epoch] for epoch in window], evaluator)
    lengths = range(1 if running else len(window), len(window) + 1)
    weightings = [
        scheme.weights(window[:length], validation if scheme.needs_validation else None)
        for length in lengths
    ]
    growth = []
    means = prefix_means(checkpoints, weightings)
    for length, mean in zip(lengths, means, strict=True):
        logits = evaluator.logits(mean.tensors)
        growth.append(AverageUpTo(window[length - 1], length, evaluator.scores(logits)))
    return Average(window, scheme, weightings[-1], mean, logits, growth)


@dataclass(frozen=True)
class _Validation:
    """The window's checkpoints on the validation split, for schemes that need it."""

    checkpoints: Sequence[Path]
    records: Sequence[EpochRecord]
    evaluator: Evaluator

    @property
    def accuracies(self) -> Sequence[float]:
        return [record.scores["validation"].accuracy for record in self.records]

    def accuracy_of(self, weights: Sequence[float]) -> float:
        chosen = [path for path, weight in zip(self.checkpoints, weights, strict=True) if weight]
        given = [weight for weight in weights if weight]
        logits = self.evaluator.logits(mean_of_files(chosen, given).tensors)
        return self.evaluator.scores(logits)["validation"].accuracy


def ensemble_scores(
    run: Path, splits: Mapping[str, Split], window: range, weights: Sequence[float]
) -> dict[str, Scores]:
    """Scores, by split, of the ensemble of the window's checkpoints, from the logits in the run."""
    return {
        split: scoring.scores(
            scoring.ensemble(
                [_logits(paths.predictions(run, split, epoch)) for epoch in window], weights
            ),
            those.labels.numpy(),
        )
        for split, those in splits.items()
    }


def _logits(path: Path) -> np.ndarray:
    found: np.ndarray = checkpoint.load(path).tensors["logits"].numpy()
    return found
