"""Whose numbers a recording's tables are: windows.csv and widths.csv have one evaluation's.

tables.begin(directory, described)      # when a recording is opened
path = tables.claim(directory, described, "windows.csv")        # before a row is added
"""

from pathlib import Path
from typing import Any

from polyak.errors import EvaluationError, StoreError
from polyak.records import widths, windows
from polyak.records.evaluations import Tables

WINDOWS, WIDTHS = windows.TABLE.name, widths.TABLE.name


def begin(directory: Path, now: Tables) -> None:
    """Note whose the tables will be, where there are none yet. Raises EvaluationError where the
    same function has other labels than before: it would be another split's."""
    before = Tables.read(directory)
    if before is not None and before.source == now.source:
        for split, key in before.keys.items():
            if key != now.keys.get(split):
                raise EvaluationError(
                    f"{now.evaluate} evaluates on other {split} labels, or by other metrics, than "
                    f"before in {directory}; allowed: the same, or a function of another name"
                )
    if not _there(directory):
        now.write(directory)


def claim(directory: Path, now: Tables, table: str) -> Path:
    """The file of a table, to which rows will be added: noted are all tables as this evaluation's.
    Raises EvaluationError where they are another one's, StoreError where they are of other epochs.
    """
    before, there = Tables.read(directory), _there(directory)
    epochs = len(now.weights_sha256)
    if there and (before is None or _how(before) != _how(now)):
        of = "unknown evaluation" if before is None else before.evaluate
        how = "" if before is None else f", {before.metric}, batch_norm {before.batch_norm}"
        raise EvaluationError(
            f"{directory / there[0]}: was evaluated by {of}{how}, in another way than now; "
            f"allowed: to move {' and '.join(there)} away, or the function of before"
        )
    if (
        there
        and before
        and before.weights_sha256 != now.weights_sha256[: len(before.weights_sha256)]
    ):
        raise StoreError(
            f"{directory / there[0]}: is of other weights: epochs were recorded anew since; "
            f"allowed: to move {' and '.join(there)} away"
        )
    of_widths = before.widths_epochs if before and WIDTHS in there else None
    if table == WIDTHS and of_widths not in (None, epochs):
        raise StoreError(
            f"{directory / WIDTHS}: has averages that end with epoch {(of_widths or 0) - 1}, and "
            f"there are {epochs} epochs now; allowed: to move it away"
        )
    of_widths = epochs if table == WIDTHS else of_widths
    now.model_copy(update={"widths_epochs": of_widths}).write(directory)
    return directory / table


def _there(directory: Path) -> list[str]:
    return [name for name in (WINDOWS, WIDTHS) if (directory / name).exists()]


def _how(tables: Tables) -> dict[str, Any]:
    return tables.model_dump(exclude={"weights_sha256", "widths_epochs"})
