"""Tables as CSV files: rows of one dataclass, whose annotations are the columns' types and ranges.

    TABLE = Table(Row, "windows.csv", "move it away, and repeat python -m polyak windows")
    rows = TABLE.read(run / TABLE.name)
    rows = TABLE.grow(run / TABLE.name, rows, ([row] for row in computed))
    # each is on disk at once: after a kill, the next call goes on

A column is checked as a whole, which takes as long as reading it.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Generic, TextIO, TypeVar, get_args, get_type_hints

from pydantic import FailFast, TypeAdapter, ValidationError

from polyak import files
from polyak.errors import PolyakError
from polyak.records import reading
from polyak.records.part import Coordinate, Loss, MetricName

Row = TypeVar("Row")


@dataclass(frozen=True)
class ByMetric:
    """To be put before a row's class, for recordings whose primary metric isn't the accuracy: that
    metric's `value`, in two columns on the right, beside the loss and accuracy that are known (else
    NaN)."""

    accuracy: Loss
    metric: MetricName
    value: Coordinate

    @property
    def score(self) -> float:
        """The primary metric."""
        return self.value


class Table(Generic[Row]):
    """A file with a header and a line per `row`. Empty cells are None, where a column may be.
    `remedy` says what to do with a file that doesn't fit, `fits` whether a row's values do with
    each other."""

    def __init__(
        self,
        row: type[Row],
        name: str,
        remedy: str,
        fits: Callable[..., bool] = lambda *_: True,
    ) -> None:
        self.row, self.name, self.remedy, self.fits = row, name, remedy, fits
        self.columns = tuple(field.name for field in fields(row))  # type: ignore[arg-type]

    def read(self, path: Path) -> list[Row]:
        """The rows; [] where there is no file. A last line that was cut off is left out.

        Raises PolyakError for a file of other columns, or with a cell that doesn't fit.
        """
        if not path.exists():
            return []
        found, _ = self.by_column(path)
        return [self.row(*one) for one in zip(*found.values(), strict=True)]

    def by_column(self, path: Path) -> tuple[dict[str, list[Any]], bool]:
        """The values of each column, and whether a last line was cut off. Raises as `read` does,
        and FileNotFoundError where there is no file."""
        lines, cut = reading.cells(path)
        if not lines and not cut:
            raise PolyakError(f"{path}: it is empty; {self.remedy}")
        header, *rows = lines or [list(self.columns)]
        if header != list(self.columns):
            raise PolyakError(
                f"{path}: allowed: the columns {','.join(self.columns)}; {self.remedy}"
            )
        for place, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise self._damaged(path, place, f"{len(row)} cells, for {len(header)} columns")
        columns: Iterable[tuple[str, ...]] = zip(*rows, strict=True) if rows else [()] * len(header)
        found = {}
        for name, cells in zip(header, columns, strict=True):
            try:
                found[name] = self.checked(name, cells)
            except ValidationError as error:
                details = error.errors(include_url=False)[0]
                said = f"{name} = {reading.shown(details['input'] or '')}: {details['msg']}"
                raise self._damaged(path, int(details["loc"][0]) + 2, said) from None
        for place, values in enumerate(zip(*found.values(), strict=True), start=2):
            if not self.fits(*values):
                raise self._damaged(path, place, f"{values[:3]} don't go together")
        return found, cut

    def checked(self, column: str, cells: Sequence[str]) -> list[Any]:
        """The values of a column's cells. Raises pydantic's ValidationError for the first that
        doesn't fit."""
        adapter, optional = self._adapters[column]
        found: list[Any] = adapter.validate_python(
            [cell or None for cell in cells] if optional else cells
        )
        return found

    def grow(
        self,
        path: Path,
        rows: Iterable[Row],
        found: Iterable[Sequence[Row]],
        on_each: Callable[[], object] = lambda: None,
    ) -> list[Row]:
        """Write `rows` to a new file in place of `path`, without what was cut off there, and append
        what is `found`, lot by lot, with a call of `on_each` after it. All of them."""
        whole = list(rows)
        with files.atomic(path) as temporary, temporary.open("w", newline="") as file:
            _write(file, [self.columns])
            _write(file, map(astuple, whole))  # type: ignore[arg-type]
        with path.open("a", newline="", encoding="utf-8") as file:
            for more in found:
                _write(file, map(astuple, more))  # type: ignore[arg-type]
                file.flush()
                whole += more
                on_each()
        return whole

    def _damaged(self, path: Path, line: int, why: str) -> PolyakError:
        return PolyakError(f"{path}: line {line} is damaged: {why}; {self.remedy}")

    @cached_property
    def _adapters(self) -> dict[str, tuple[TypeAdapter[Any], bool]]:
        """What checks each column, and whether it may have empty cells."""
        hints = get_type_hints(self.row, include_extras=True)
        return {
            name: (
                TypeAdapter(Annotated[list[hints[name]], FailFast()]),  # type: ignore[arg-type, valid-type]
                type(None) in get_args(hints[name]),
            )
            for name in self.columns
        }


def _write(file: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    csv.writer(file, lineterminator="\n").writerows(rows)
