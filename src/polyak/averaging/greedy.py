"""Greedy soup on a run's checkpoints: which of them the average takes.

chosen = weights(Greedy(), checkpoints, judge, records, window)
"""

from collections.abc import Sequence
from pathlib import Path

from polyak.averaging.mean import mean_of_files
from polyak.averaging.schemes import Greedy
from polyak.evaluation.logits import Evaluator
from polyak.store.trajectory import EpochRecord


def weights(
    scheme: Greedy,
    checkpoints: Sequence[Path],
    judge: Evaluator,
    records: Sequence[EpochRecord],
    window: range,
) -> Sequence[float]:
    """Weights 0 or 1 of the window's checkpoints, chosen by accuracy on validation."""

    def accuracy_of(trial: Sequence[float]) -> float:
        chosen = [path for path, weight in zip(checkpoints, trial, strict=True) if weight]
        average = mean_of_files(chosen)
        return judge.scores(judge.answers(average.tensors))["validation"].accuracy

    return scheme.choose(
        [records[epoch].scores["validation"].accuracy for epoch in window], accuracy_of
    )
