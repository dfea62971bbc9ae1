"""A table of averages, completed: what it lacks is evaluated, and is on disk as it comes.

rows = completed(TABLE, run / TABLE.name, ("start", "end"), windows, ["test"], evaluate, no_bar)
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from polyak.maps.bar import Bar
from polyak.records.table import Scored, Table

Row = TypeVar("Row", bound=Scored)
Wanted = TypeVar("Wanted", bound=tuple[Any, ...])


def completed(
    table: Table[Row],
    path: Path,
    key: Sequence[str],
    wanted: Sequence[Wanted],
    splits: Iterable[str],
    evaluate: Callable[[Sequence[Wanted]], Iterable[Sequence[Row]]],
    bar: Bar,
) -> list[Row]:
    """All rows of the table at `path`, in order, after those of the `wanted` averages that it
    lacked on any of the `splits`. An average is told by the columns `key`; `evaluate` gives the
    rows of each of several in turn. Interrupted, the same call continues."""
    rows = table.read(path)
    lacking = missing(rows, key, wanted, splits)
    rows = table.grow(path, rows, evaluate(lacking), bar(len(lacking)))
    by_key = {_key(key)(row): row for row in rows}
    return [by_key[one] for one in sorted(by_key)]


def missing(
    rows: Iterable[Scored], key: Sequence[str], wanted: Sequence[Wanted], splits: Iterable[str]
) -> list[Wanted]:
    """Those of the `wanted` averages that `rows` lack on any of the `splits`."""
    there, each = set(map(_key(key), rows)), list(splits)
    return [one for one in wanted if any((*one, split) not in there for split in each)]


def _key(columns: Sequence[str]) -> Callable[[Scored], tuple[Any, ...]]:
    return attrgetter(*columns, "split")
