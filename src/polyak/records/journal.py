"""trajectory.jsonl: what was added since trajectory.json was last written whole, a line per change.

    found = journal.read(directory, base)   # what follows the trajectory.json of that sha256
    found.changes[0].epochs
    found = journal.append(directory, found, Change(epochs=[...], files={...}))

So an epoch costs as much as its own record, however many there are before it. Each line has a
checksum, and `after`, that of the line before or of the trajectory.json: lines that follow another
one, which was written whole since, are those that it has already. A last line that was cut is one
that never counted; any other change is noticed, and refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from polyak import files
from polyak.errors import PolyakError
from polyak.records import reading, summed
from polyak.records.part import Part

NAME = "trajectory.jsonl"


class Change(Part):
    """Epochs and stretches that are added (an epoch that is there is replaced), and the SHA-256 of
    files, None of those that no longer count. What they may hold, `TrajectoryRecord` says."""

    epochs: list[dict[str, Any]] = Field(default_factory=list)
    environments: list[dict[str, Any]] = Field(default_factory=list)
    files: dict[str, str | None] = Field(default_factory=dict)


class _Line(Change):
    after: str


@dataclass(frozen=True)
class Journal:
    """The changes, in order; the checksum that the next one follows; and how many bytes count."""

    changes: Sequence[Change]
    last: str
    size: int


def read(directory: Path, base: str) -> Journal:
    """What follows the trajectory.json with the checksum `base`. Raises PolyakError for a file that
    can't be read, is a link, or was changed."""
    path, nothing = directory / NAME, Journal([], base, 0)
    files.no_link(path)
    try:
        *lines, _ = reading.lines(path)
    except FileNotFoundError:
        return nothing
    found, last, size = list[Change](), base, 0
    for number, line in enumerate(lines, start=1):
        text = summed.content(line)
        if text is None:
            raise PolyakError(f"{path}: corrupted, or changed by hand: line {number}")
        one = reading.fit(path, reading.plain_line(path, text), _Line)
        if one.after != last:
            if number == 1:
                return nothing
            raise PolyakError(f"{path}: line {number} does not follow the one before")
        found.append(one)
        last, size = summed.checksum(line), size + len(line.encode("utf-8", "surrogateescape")) + 1
    return Journal(found, last, size)


def append(directory: Path, known: Journal, change: Change) -> Journal:
    """Add a change to what is `known`: on disk itself when this returns. What is in the file
    beyond that, such as a line that was cut, goes."""
    line = summed.line({"after": known.last, **change.model_dump()})
    size = files.append(directory / NAME, f"{line}\n".encode(), at=known.size)
    return Journal([], summed.checksum(line), size)


def apply(change: Change, values: Mapping[str, Any], path: Path) -> None:
    """Make a change to a trajectory's values. Raises PolyakError for an epoch that is not the next
    one, nor there."""
    epochs = values["epochs"]
    for one in change.epochs:
        epoch = one.get("epoch")
        if type(epoch) is not int or not 0 <= epoch <= len(epochs):
            raise PolyakError(
                f"{path}: epoch = {reading.shown(epoch)}: allowed: from 0 to {len(epochs)}"
            )
        epochs[epoch : epoch + 1] = [one]
    values["environments"].extend(change.environments)
    for name, digest in change.files.items():
        values["files"].pop(name, None)
        if digest is not None:
            values["files"][name] = digest
