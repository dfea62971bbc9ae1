"""Averages of every width of one training: of its last steps, and with every half-life.

    widths = Widths.of(recorded, steps=11440)
    rows = widths.complete(run / "widths.csv", run, evaluator, batch_norm, wanted)

How wide an average should be is asked of a trajectory that exists: its recording has the mean of
the weights over each interval, and any window's mean and any EMA follow from these (Ajroldi et al.
2025, https://arxiv.org/abs/2502.06761, find the best width at about 1 % of the training).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from polyak.averaging.mean import mean_of_files
from polyak.averaging.scheme import Intervals
from polyak.averaging.schemes.ema import Ema
from polyak.errors import ConfigError
from polyak.evaluation.evaluator import Evaluates, evaluating
from polyak.evaluation.metric import ACCURACY, Metric
from polyak.maps.bar import Bar, no_bar
from polyak.maps.completed import completed
from polyak.records.widths import Kind, Row, table_of
from polyak.runs.recorded import RecordedWindow
from polyak.runs.treatment import Treatment
from polyak.store import paths

SHARES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""Of the training, that are asked for."""
NEGLIGIBLE = 1e-9
"""Share of the largest weight below which an interval is left out."""

Wanted = tuple[Kind, float]
"""What kind, and how many steps: a window's length or a half-life."""
KEY = ("kind", "steps")


@dataclass(frozen=True)
class Widths:
    """The window's `recorded` intervals, in a training of so many `steps`."""

    recorded: RecordedWindow
    steps: int

    @classmethod
    def of(cls, recorded: RecordedWindow | None, steps: int) -> Self:
        """Of what a run averages. Raises ConfigError for one that averages epochs' checkpoints."""
        if recorded is None or not recorded.intervals.means:
            raise ConfigError(
                "widths: the run averages checkpoints, not step means; allowed: a run with "
                "recording=means averaging.of=steps averaging.start=0, which may be made of a run "
                "that is there by train.py --again"
            )
        return cls(recorded, steps)

    def wanted(self, shares: Iterable[float] = SHARES) -> list[Wanted]:
        """For each share of the training, the window that is nearest to it, and the EMA with that
        half-life: windows begin where an interval does, and an EMA has its half-life within the
        window, and no shorter than an interval, but for those that an epoch's end cuts short. Each
        once, by kind and width."""
        intervals = self.recorded.intervals
        spans = [self._span(place) for place in range(len(intervals.steps))]
        within = [len(one) for one in intervals.steps if one.stop % intervals.per_epoch]
        shortest = min(within or intervals.lengths)
        windows, half_lives = set[int](), set[float]()
        for share in shares:
            steps = share * self.steps
            windows.add(min(spans, key=lambda span: (abs(span - steps), span)))
            if shortest <= steps <= spans[0] / 2:
                half_lives.add(round(steps, 3))
        return [
            *(("uniform", float(one)) for one in sorted(windows)),
            *(("ema", one) for one in sorted(half_lives)),
        ]

    def complete(
        self,
        path: Path,
        run: Path,
        evaluator: Evaluates,
        batch_norm: Treatment,
        wanted: Sequence[Wanted],
        *,
        bar: Bar = no_bar,
        metric: Metric = ACCURACY,
    ) -> list[Row]:
        """Evaluate those of the `wanted` widths that widths.csv at `path` lacks, adding each to it,
        and return all its rows in order. Interrupted, the same call continues."""

        def each(lacking: Sequence[Wanted]) -> Iterator[list[Row]]:
            for one in lacking:
                yield self._evaluate(one, run, evaluator, batch_norm, metric)

        table = table_of(metric.name)
        return completed(table, path, KEY, wanted, evaluator.splits, each, bar)

    def weights(self, wanted: Wanted) -> tuple[Intervals, Sequence[float]]:
        """The last intervals that count, and their weights."""
        (kind, steps), intervals = wanted, self.recorded.intervals
        if kind == "uniform":
            first = next(p for p in range(len(intervals.steps)) if self._span(p) <= steps)
            kept = Intervals(intervals.steps[first:], intervals.per_epoch, means=True)
            return kept, kept.decayed(0.0)
        found = Ema(half_life=steps).over_steps(intervals)
        first = next(p for p, one in enumerate(found) if one > NEGLIGIBLE * max(found))
        return (
            Intervals(intervals.steps[first:], intervals.per_epoch, means=True),
            found[first:],
        )

    def _evaluate(
        self,
        wanted: Wanted,
        run: Path,
        evaluator: Evaluates,
        batch_norm: Treatment,
        metric: Metric,
    ) -> list[Row]:
        kind, steps = wanted
        intervals, weights = self.weights(wanted)
        files = self.recorded.files(run)[-len(intervals.steps) :]
        last = paths.checkpoint(run, intervals.steps[-1][-1] // intervals.per_epoch)
        average = batch_norm.of_average(mean_of_files(files, weights), last)
        with evaluating(f"the average {kind}, {steps:g} steps"):
            scores = evaluator.scores(evaluator.logits(average.tensors))
        place, row_of = (kind, steps, steps / self.steps), table_of(metric.name).row.of
        return [row_of((*place, split), one, metric.name) for split, one in scores.items()]

    def _span(self, first: int) -> int:
        """Steps from the beginning of that interval to the window's end."""
        steps = self.recorded.intervals.steps
        return steps[-1].stop - steps[first].start
