"""Every window [start, end) of a trajectory, averaged and evaluated.

    for rows in evaluate(checkpoint_of, evaluator, batch_norm, windows(range(20), range(1, 21))):
        print([(row.start, row.end, row.split, row.accuracy) for row in rows])

For a fixed start, each next window adds one checkpoint to a running sum: the same additions in the
same order as from the beginning, so the same bits as `averaging.mean.mean_of_files`. icefall
(https://github.com/k2-fsa/icefall) gets any window too, from differences of running averages, at
the price of precision: what a difference cancels is lost.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from polyak.averaging.mean import Mean
from polyak.errors import CheckpointError, PolyakError
from polyak.evaluation.evaluator import Evaluates, evaluating
from polyak.evaluation.metric import ACCURACY, Metric
from polyak.maps.bar import Bar, no_bar
from polyak.maps.completed import completed
from polyak.naming import epochs_of as epochs_named
from polyak.records.table import Scored
from polyak.records.windows import Row, table_of
from polyak.runs.treatment import Treatment
from polyak.weights import checkpoint


@dataclass
class Spent:
    """Seconds that the averages, their batch norm's statistics and their evaluations took."""

    averaging: float = 0.0
    batch_norm: float = 0.0
    evaluation: float = 0.0


def epochs_of(option: str, text: str, most: int) -> list[int]:
    """The numbers, from 0 to `most`, that "a:b" or "a:b:step" (b is left out) or "a,b,c" means.

    Raises PolyakError, naming the `option`, for any other text or number.
    """
    try:
        if ":" in text:
            found: Sequence[int] = range(*(int(part) for part in text.split(":")))
        else:
            found = [int(part) for part in text.split(",")]
    except (ValueError, TypeError):
        raise PolyakError(f"{option} {text}: allowed: a:b, a:b:step or a,b,c") from None
    ends = (found[0], found[-1]) if isinstance(found, range) and found else found
    if not ends or min(ends) < 0 or max(ends) > most:
        raise PolyakError(f"{option} {text}: allowed: from 0 to {most}")
    return list(found)


def windows(starts: Sequence[int], ends: Sequence[int]) -> list[tuple[int, int]]:
    """All windows [start, end) of those starts and ends, by start, then end.

    Raises PolyakError where there is none.
    """
    found = sorted({(start, end) for start in starts for end in ends if start < end})
    if not found:
        raise PolyakError("no window: every start is at or after every end")
    return found


def evaluate(
    checkpoint_of: Callable[[int], Path],
    evaluator: Evaluates,
    batch_norm: Treatment,
    wanted: Sequence[tuple[int, int]],
    *,
    spent: Spent | None = None,
    metric: Metric = ACCURACY,
) -> Iterator[list[Row]]:
    """Average and evaluate the `wanted` windows in order: for each, a row per split of the
    evaluator. `checkpoint_of` gives the file of a zero-based epoch, `batch_norm` the statistics,
    `metric` is the primary one."""
    spent = spent or Spent()
    for start, group in groupby(wanted, key=lambda window: window[0]):
        running, reached, mean = Mean(), start, None
        for _, end in group:
            began = time.perf_counter()
            for epoch in range(reached, end):
                path = checkpoint_of(epoch)
                running.add(checkpoint.load(path), source=str(path))
            reached = end
            mean = running.result(into=mean)
            averaged = time.perf_counter()
            last = checkpoint_of(end - 1)
            try:
                average = batch_norm.of_average(mean, last)
                refreshed = time.perf_counter()
                with evaluating(f"the average of {epochs_named(range(start, end))}"):
                    scores = evaluator.scores(evaluator.logits(average.tensors))
            except CheckpointError as error:
                raise CheckpointError(f"{last}, averaged from epoch {start} on: {error}") from None
            spent.averaging += averaged - began
            spent.batch_norm += refreshed - averaged
            spent.evaluation += time.perf_counter() - refreshed
            place, row_of = (start, end, end - start), table_of(metric.name).row.of
            yield [row_of((*place, split), one, metric.name) for split, one in scores.items()]


def complete(
    path: Path,
    checkpoint_of: Callable[[int], Path],
    evaluator: Evaluates,
    batch_norm: Treatment,
    wanted: Sequence[tuple[int, int]],
    *,
    spent: Spent | None = None,
    bar: Bar = no_bar,
    metric: Metric = ACCURACY,
) -> list[Row]:
    """Evaluate those of the `wanted` windows that windows.csv at `path` lacks, adding each to it,
    and return all its rows in order. Interrupted, the same call continues."""
    table = table_of(metric.name)
    each = partial(evaluate, checkpoint_of, evaluator, batch_norm, spent=spent, metric=metric)
    return completed(table, path, ("start", "end"), wanted, evaluator.splits, each, bar)


OfSplit = TypeVar("OfSplit", bound=Scored)


def selected(rows: Iterable[OfSplit], metric: Metric = ACCURACY) -> OfSplit | None:
    """The row, of windows or widths, of the best validation accuracy, or other `metric` (of equals,
    the lower loss); None without validation."""
    validation = [row for row in rows if row.split == "validation"]
    return max(validation, key=lambda row: (metric.sign * row.score, -row.loss), default=None)
