"""path.csv: loss and accuracy along a run's path and over its plane.

    rows = complete(run / "path.csv", landscape, landscape.line(11, 0.3), evaluator, batch_norm)

Batch norm's statistics are computed anew at every point, whatever the run's averages have: losses
are then a function of the weights alone, and checkpoints, average and what lies between them are
treated alike.
"""

import csv
import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TextIO

from polyak import files
from polyak.errors import PolyakError
from polyak.evaluation.evaluator import Evaluator
from polyak.runs.batch_norm import BatchNorm
from polyak.runs.path import Landscape, Point
from polyak.runs.windows import Spent

Key = tuple[str, str, float | None, float | None]


@dataclass(frozen=True)
class Row:
    """A point on one split: `x` and `y` in the unit of the weights, their fractions as `Point` has
    them; loss in nats, accuracy a fraction. `name` is empty where the run has no such weights."""

    which: str
    name: str
    x: float
    y: float
    x_fraction: float
    y_fraction: float
    split: str
    loss: float
    accuracy: float

    @property
    def key(self) -> Key:
        """Its point's."""
        return _key(self.which, self.name, self.x_fraction, self.y_fraction)


COLUMNS = tuple(field.name for field in fields(Row))


def read(path: Path, landscape: Landscape) -> list[Row]:
    """The rows of a path.csv; a last line that was cut off is left out. [] where there is none.

    Raises PolyakError for a file of other columns, with a damaged line, or of other weights than
    the landscape's.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    intact = [line for line in lines if line.endswith("\n")]
    if intact and intact[0].strip() != ",".join(COLUMNS):
        raise PolyakError(f"{path}: allowed: the columns {','.join(COLUMNS)}; move the file away")
    rows = []
    for place, cells in enumerate(csv.reader(intact[1:]), start=2):
        try:
            which, name, x, y, x_fraction, y_fraction, split, loss, accuracy = cells
            fractions = (float(x_fraction), float(y_fraction))
            row = Row(
                which, name, float(x), float(y), *fractions, split, *map(float, (loss, accuracy))
            )
        except ValueError:
            raise PolyakError(
                f"{path}: line {place} is damaged: {','.join(cells)[:80]!r}; move the file away"
            ) from None
        if not _fits(row, landscape):
            raise PolyakError(
                f"{path}: line {place} is of other weights than the run's; move the file away"
            )
        rows.append(row)
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
    return [
        point for point in points if any((_key(*point), split) not in there for split in splits)
    ]


def of_points(rows: Sequence[Row], points: Sequence[Point], splits: Collection[str]) -> list[Row]:
    """The rows of those points on those splits, in the order of the points."""
    by_key = {(row.key, row.split): row for row in rows}
    return [by_key[_key(*point), split] for point in points for split in splits]


def complete(
    path: Path,
    landscape: Landscape,
    points: Sequence[Point],
    evaluator: Evaluator,
    batch_norm: BatchNorm,
    *,
    spent: Spent | None = None,
    on_point: Callable[[], object] = lambda: None,
) -> list[Row]:
    """Evaluate those of the `points` that path.csv at `path` lacks, adding each to it, and return
    the rows of them all, in their order. Interrupted, the same call continues."""
    spent = spent or Spent()
    rows = read(path, landscape)
    lacking = missing(rows, points, evaluator.splits)
    with files.atomic(path) as temporary, temporary.open("w", newline="") as file:
        _writer(file).writeheader()
        _writer(file).writerows(asdict(row) for row in rows)  # without a line that was cut off
    with path.open("a", newline="", encoding="utf-8") as file:
        for point in lacking:
            found = _evaluate(landscape, point, evaluator, batch_norm, spent)
            _writer(file).writerows(asdict(row) for row in found)
            file.flush()
            rows += found
            on_point()
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


def _key(which: str, name: str, x: float, y: float) -> Key:
    """A point that the run has is known by its name: its fractions are computed, and may differ in
    the last bits with the number of threads."""
    return (which, name, None, None) if name else (which, name, x, y)


def _writer(file: TextIO) -> "csv.DictWriter[str]":
    return csv.DictWriter(file, COLUMNS, lineterminator="\n")
