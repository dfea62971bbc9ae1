"""A run's average: the window's checkpoints weighted by the scheme, averaged, evaluated.

averager = Averager(run, records, evaluator, batch_norm)
averager.average(range(10, 20), Uniform(), "uniform").scores["test"].accuracy
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from polyak.averaging.mean import mean_of_files, prefix_means
from polyak.averaging.scheme import Scheme
from polyak.evaluation import scores as scoring
from polyak.evaluation.evaluator import Evaluates, evaluating
from polyak.evaluation.metric import ACCURACY, Metric
from polyak.evaluation.scores import Scores
from polyak.naming import epochs_of
from polyak.runs.metrics import AverageUpTo
from polyak.runs.recorded import RecordedWindow
from polyak.runs.treatment import Treatment
from polyak.store import paths
from polyak.store.record import EpochRecord
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint


@dataclass(frozen=True)
class Average:
    """The average of a window: its weights of the checkpoints, tensors, logits and scores by split.

    `method` says how it was made; `window` are the epochs whose checkpoints are in it, `by_epoch`
    the weights of what is averaged of each. `growth` has the average up to each epoch that was
    evaluated, the whole window's last.
    """

    window: range
    start: float
    method: str
    weights: Sequence[float]
    by_epoch: Sequence[float]
    checkpoint: Checkpoint
    logits: Mapping[str, Tensor]
    growth: Sequence[AverageUpTo]

    @property
    def scores(self) -> Mapping[str, Scores]:
        """Of the whole window's average, by split."""
        return self.growth[-1].scores

    @property
    def description(self) -> str:
        """The method, and how many checkpoints count where some don't: "greedy, 3 of 10"."""
        counting = sum(weight > 0 for weight in self.weights)
        return self.method + f", {counting} of {len(self.weights)}" * (counting < len(self.weights))

    def save(self, run: Path) -> None:
        """Write averaged.safetensors, and the average's logits for each split."""
        made_of = {"window": [self.start, self.window.stop], "scheme": self.method}
        checkpoint.save(paths.average(run), self.checkpoint.tensors, made_of)
        for split, found in self.logits.items():
            path = paths.predictions(run, split, "average")
            checkpoint.save(path, {"logits": found}, made_of)


@dataclass(frozen=True)
class Averager:
    """What a run's averages are made with: the checkpoints in its directory (its own links, since
    another run may be repairing the trajectory), their records, what computes the statistics of
    batch norm and the logits, what is averaged, where that isn't epochs' checkpoints, and the
    metric that schemes choose by."""

    run: Path
    records: Sequence[EpochRecord]
    evaluator: Evaluates
    batch_norm: Treatment
    recorded: RecordedWindow | None = None
    metric: Metric = ACCURACY

    def average(
        self, window: range, scheme: Scheme, method: str, *, running: bool = False
    ) -> Average:
        """The average of a window; with `running`, also evaluated up to each of its epochs.
        `method` is the scheme's description, and what else is to be said."""
        checkpoints = [paths.checkpoint(self.run, epoch) for epoch in window]
        ends = range(0 if running else len(window) - 1, len(window))
        if self.recorded is None:
            validation = _Validation(self, window) if scheme.needs_validation else None
            files, counts = checkpoints, [end + 1 for end in ends]
            weightings = [scheme.weights(window[:count], validation) for count in counts]
            by_epoch = weightings[-1]
        else:
            files = self.recorded.files(self.run)
            counts, of = self.recorded.up_to([window[end] for end in ends]), self.recorded.intervals
            weightings = [scheme.over_steps(of.first(count)) for count in counts]
            by_epoch = self.recorded.by_epoch(weightings[-1], window)
        growth = []
        for end, count, mean in zip(ends, counts, prefix_means(files, weightings), strict=True):
            average = self.batch_norm.of_average(mean, checkpoints[end])
            with evaluating(f"the average of {epochs_of(window[: end + 1])}"):
                logits = self.evaluator.logits(average.tensors)
                growth.append(AverageUpTo(window[end], count, self.evaluator.scores(logits)))
        start = window.start if self.recorded is None else self.recorded.start
        return Average(window, start, method, weightings[-1], by_epoch, average, logits, growth)

    def last_refreshed(self, window: range) -> dict[str, Scores] | None:
        """Scores, by split, of the window's last checkpoint with statistics computed anew, whose
        logits are written into the run; None for a model without batch norm."""
        if not (self.batch_norm.there and self.batch_norm.can_refresh):
            return None
        last = checkpoint.load(paths.checkpoint(self.run, window[-1]))
        refreshed = self.batch_norm.refreshed(last)
        with evaluating(f"epoch {window[-1]} with refreshed statistics"):
            logits = self.evaluator.logits(refreshed.tensors)
        for split, found in logits.items():
            path = paths.predictions(self.run, split, "last_refreshed")
            checkpoint.save(path, {"logits": found}, {"epoch": window[-1]})
        return self.evaluator.scores(logits)


@dataclass(frozen=True)
class _Validation:
    """The window's checkpoints on the validation split, for schemes that need it."""

    averager: Averager
    window: range

    @property
    def accuracies(self) -> Sequence[float]:
        records = self.averager.records
        return [self._score(records[epoch].scores) for epoch in self.window]

    def accuracy_of(self, weights: Sequence[float]) -> float:
        files = [paths.checkpoint(self.averager.run, epoch) for epoch in self.window]
        chosen = [path for path, weight in zip(files, weights, strict=True) if weight]
        mean = mean_of_files(chosen, [weight for weight in weights if weight])
        average = self.averager.batch_norm.of_average(mean, files[-1])
        evaluator = self.averager.evaluator
        with evaluating("an average that the scheme tries"):
            return self._score(evaluator.scores(evaluator.logits(average.tensors)))

    def _score(self, scores: Mapping[str, Scores]) -> float:
        """By the metric; of one that is better lower, its negative."""
        metric = self.averager.metric
        return metric.sign * scores["validation"].by_name[metric.name]


def ensemble_scores(
    run: Path, labels: Mapping[str, Tensor], window: range, weights: Sequence[float]
) -> dict[str, Scores]:
    """Scores, by split, of the ensemble of the window's checkpoints, from the logits in the run;
    `labels` [N] of each split."""
    return {
        split: scoring.scores(
            scoring.ensemble(
                [_logits(paths.predictions(run, split, epoch), those) for epoch in window],
                weights,
            ),
            those.numpy(),
        )
        for split, those in labels.items()
    }


def _logits(path: Path, labels: Tensor) -> np.ndarray:
    found = checkpoint.tensor(path, "logits", torch.float32, (len(labels), None))
    array: np.ndarray = found.numpy()
    return array
