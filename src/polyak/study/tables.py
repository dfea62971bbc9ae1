"""Whose numbers a recording's tables are: windows.csv and widths.csv have one evaluation's.

tables.check(directory, described)      # another function's: refused
tables.claim(directory, described)      # before a row is added
"""

from pathlib import Path

from polyak.errors import EvaluationError
from polyak.records import widths, windows
from polyak.records.evaluations import Tables

NAMES = (windows.TABLE.name, widths.TABLE.name)


def check(directory: Path, now: Tables) -> None:
    """Raise EvaluationError where the same function has other labels than before: it would be
    another split's."""
    before = Tables.read(directory)
    if before is None or before.source != now.source:
        return
    if differing := [split for split in before.keys if before.keys[split] != now.keys.get(split)]:
        raise EvaluationError(
            f"{now.evaluate} evaluates on other {differing[0]} data, or by other metrics, than "
            f"before in {directory}; allowed: the same, or a function of another name"
        )


def claim(directory: Path, now: Tables) -> None:
    """Note that the tables are this evaluation's. Raises EvaluationError where they are another
    one's."""
    before = Tables.read(directory)
    there = [name for name in NAMES if (directory / name).exists()]
    if there and before != now:
        of = "unknown evaluation" if before is None else before.evaluate
        how = "" if before is None else f", batch_norm {before.batch_norm}"
        raise EvaluationError(
            f"{directory / there[0]}: was evaluated by {of}{how}, in another way than now; "
            f"allowed: to move {' and '.join(there)} away, or the function of before"
        )
    if before != now:
        now.write(directory)
