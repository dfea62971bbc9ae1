"""metrics.csv: one row per epoch. Its columns, and what can be read of a file that is damaged.

found = read(run / "metrics.csv")
found.columns["test_accuracy"], found.others["val_f1"], found.problem
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from polyak.errors import PolyakError
from polyak.records import reading
from polyak.records.part import (
    METRIC_NAME,
    MOST_OTHERS,
    Coordinate,
    Epoch,
    Fraction,
    Loss,
    NotNegative,
    Number,
)
from polyak.records.table import Table


@dataclass(frozen=True)
class Row:
    """As docs/files.md describes it. Further columns may follow on the right: those of metrics that
    a run names itself (OTHER), and any else, which nothing reads."""

    epoch: Epoch
    lr: NotNegative | None
    train_loss: NotNegative | None
    train_accuracy: Fraction | None
    val_loss: NotNegative | None
    val_accuracy: Fraction | None
    test_loss: NotNegative | None
    test_accuracy: Fraction | None
    average_count: Number | None
    average_val_loss: Loss | None
    average_val_accuracy: Fraction | None
    average_test_loss: Loss | None
    average_test_accuracy: Fraction | None
    seconds: NotNegative | None


TABLE = Table(Row, "metrics.csv", "start the run again")
COLUMNS = TABLE.columns
"""In this order."""


OTHER = re.compile(f"(?:average_)?(?:val|test)_(?P<metric>{METRIC_NAME})")
"""val_NAME, test_NAME: of the epoch's checkpoint; average_val_NAME, average_test_NAME: of the
average up to it."""

_NUMBERS = TypeAdapter(list[Coordinate | None])


@dataclass(frozen=True)
class Metrics:
    """The intact rows, by column, NaN where a cell is empty; `others`: the same of columns of
    further metrics, NaN too where a cell is no number; and what is wrong with the file, or ""."""

    columns: dict[str, list[float]]
    problem: str = ""
    others: dict[str, list[float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["epoch"])


def read(path: Path) -> Metrics:
    """What is intact of a run's metrics.csv: an incomplete last line, and rows with a cell that
    doesn't fit, are left out. No rows where there is no file."""
    nothing: dict[str, list[float]] = {name: [] for name in COLUMNS}
    try:
        lines, cut = reading.cells(path)
    except FileNotFoundError:
        return Metrics(nothing)
    except PolyakError as error:
        return Metrics(nothing, f"metrics.csv {str(error).removeprefix(f'{path}: ')}")
    header, *rows = lines or [[]]
    problems = ["left out: an incomplete last line"] * cut
    if lacking := [name for name in COLUMNS if name not in header]:
        problems.append(f"no column {', '.join(lacking)}")
    if "epoch" in lacking:
        return Metrics(nothing, "; ".join(problems))
    whole = [row for row in rows if len(row) == len(header)]
    cells = dict(zip(header, zip(*whole, strict=True), strict=True)) if whole else {}
    found, wrong, named = {}, set(), []
    for name in COLUMNS:
        column = cells.get(name, ("",) * len(whole))
        found[name], places = _values(partial(TABLE.checked, name), column)
        wrong |= places
        named += [name] if places else []
    named_by_runs = [name for name in header if OTHER.fullmatch(name) and name not in COLUMNS]
    others = {
        name: _values(_numbers, cells.get(name, ()))[0] for name in named_by_runs[: 4 * MOST_OTHERS]
    }
    first = {epoch: place for place, epoch in reversed(list(enumerate(found["epoch"])))}
    wrong |= set(range(len(whole))) - set(first.values())  # an epoch that is there twice
    if left_out := len(wrong) + len(rows) - len(whole):
        which = f", of damaged {', '.join(named)}" if named else ", cut or there twice"
        problems.append(f"left out: {left_out} row{'s' * (left_out > 1)}{which}")
        for columns in (found, others):
            for name, values in columns.items():
                columns[name] = [one for place, one in enumerate(values) if place not in wrong]
    return Metrics(found, "; ".join(problems), others)


def _numbers(cells: Sequence[str]) -> list[float | None]:
    return _NUMBERS.validate_python([cell or None for cell in cells])


def _values(
    checked: Callable[[Sequence[str]], list[Any]], cells: Sequence[str]
) -> tuple[list[float], set[int]]:
    """A column's values, NaN of an empty cell, and the places of cells that don't fit."""
    wrong: set[int] = set()
    try:
        found = checked(cells)
    except ValidationError:
        found = []
        for place, cell in enumerate(cells):
            try:
                found += checked([cell])
            except ValidationError:
                found.append(None)
                wrong.add(place)
    return [math.nan if one is None else one for one in found], wrong
