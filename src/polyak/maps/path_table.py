"""path.csv: loss and accuracy along a run's path and over its plane.

    rows = complete(run / "path.csv", landscape, landscape.line(11, 0.3), evaluator, batch_norm)

Batch norm's statistics are computed anew at every point, whatever the run's averages have: losses
are then a function of the weights alone, and checkpoints, average and what lies between them are
treated alike.
"""

import math
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from polyak.errors import PolyakError
from polyak.evaluation.evaluator import Evaluator
from polyak.maps.bar import Bar, no_bar
from polyak.maps.path import Landscape, Point
from polyak.maps.windows import Spent
from polyak.records.path import TABLE, Row, key
from polyak.runs.batch_norm import BatchNorm


def read(path: Path, landscape: Landscape) -> list[Row]:
    """The rows of a path.csv, as `Table.read` gives them. Raises PolyakError as it does, and for
    rows of other weights than the landscape's."""
    rows = TABLE.read(path)
    for line, row in enumerate(rows, start=2):
        if not _fits(row, landscape):
            raise PolyakError(
                f"{path}: line {line} is of other weights than the run's; move the file away"
            )
    return rows


def _fits(row: Row, landscape: Landscape) -> bool:
    """Whether its distance is what its fraction is here: another average or window has others."""
    try:
        wanted = landscape.distances(row.which, row.x_fraction, row.y_fraction)
    except KeyError:
        return False
    return all(
        math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
        for one, other in zip((row.x, row.y), wanted, strict=True)
    )


def missing(rows: Sequence[Row], points: Sequence[Point], splits: Collection[str]) -> list[Point]:
    """Those of the `points` that `rows` lack on any of the `splits`."""
    there = {(row.key, row.split) for row in rows}
    return [point for point in points if any((key(*point), split) not in there for split in splits)]


def of_points(rows: Sequence[Row], points: Sequence[Point], splits: Collection[str]) -> list[Row]:
    """The rows of those points on those splits, in the order of the points."""
    by_key = {(row.key, row.split): row for row in rows}
    return [by_key[key(*point), split] for point in points for split in splits]


def complete(
    path: Path,
    landscape: Landscape,
    points: Sequence[Point],
    evaluator: Evaluator,
    batch_norm: BatchNorm,
    *,
    spent: Spent | None = None,
    bar: Bar = no_bar,
) -> list[Row]:
    """Evaluate those of the `points` that path.csv at `path` lacks, adding each to it, and return
    the rows of them all, in their order. Interrupted, the same call continues."""
    spent = spent or Spent()
    rows = read(path, landscape)
    lacking = missing(rows, points, evaluator.splits)
    found = (_evaluate(landscape, point, evaluator, batch_norm, spent) for point in lacking)
    rows = TABLE.grow(path, rows, found, bar(len(lacking)))
    return of_points(rows, points, evaluator.splits)


def _evaluate(
    landscape: Landscape, point: Point, evaluator: Evaluator, batch_norm: BatchNorm, spent: Spent
) -> list[Row]:
    began = time.perf_counter()
    mixed = landscape.weights(point)
    averaged = time.perf_counter()
    weights = batch_norm.refreshed(mixed)
    refreshed = time.perf_counter()
    scores = evaluator.scores(evaluator.logits(weights.tensors))
    spent.averaging += averaged - began
    spent.batch_norm += refreshed - averaged
    spent.evaluation += time.perf_counter() - refreshed
    place = landscape.distances(point.which, point.x, point.y)
    return [
        Row(point.which, point.name, *place, point.x, point.y, split, score.loss, score.accuracy)
        for split, score in scores.items()
    ]
