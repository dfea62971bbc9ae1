"""Whose numbers a recording's tables are: windows.csv and widths.csv have one evaluation's.

tables.begin(directory, described)      # when a recording is opened
tables.claim(directory, described)      # before a row is added
"""

from pathlib import Path

from polyak.errors import EvaluationError
from polyak.records import widths, windows
from polyak.records.evaluations import Tables

NAMES = (windows.TABLE.name, widths.TABLE.name)


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
    if before != now and not _there(directory):
        now.write(directory)


def claim(directory: Path, now: Tables) -> None:
    """Note that the tables are this evaluation's. Raises EvaluationError where they are another
    one's."""
    before = Tables.read(directory)
    there = _there(directory)
    if there and before != now:
        of = "unknown evaluation" if before is None else before.evaluate
        how = "" if before is None else f", {before.metric}, batch_norm {before.batch_norm}"
        raise EvaluationError(
            f"{directory / there[0]}: was evaluated by {of}{how}, in another way than now; "
            f"allowed: to move {' and '.join(there)} away, or the function of before"
        )
    if before != now:
        now.write(directory)


def _there(directory: Path) -> list[str]:
    return [name for name in NAMES if (directory / name).exists()]
