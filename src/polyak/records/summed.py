"""Lines of JSON with a checksum each, of files that are added to and never rewritten.

    line = summed.line({"begin": 0, "end": 58})   # {"begin": 0, "end": 58, "line": "6c01..."}
    summed.content(line)                          # {"begin": 0, "end": 58}; None of others
    entries, size = summed.read(path, Entry)      # those of a file, by a schema
    size = summed.append(path, [entry], at=size)

A line that a kill or a full disk has cut, and one that was changed, is told by it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from polyak import files
from polyak.records import reading
from polyak.records.part import Part

_CHECK, _END = ', "line": "', '"}'


def line(values: Mapping[str, Any]) -> str:
    """The line of these values, without its end. NaN and infinity are refused (ValueError)."""
    text = json.dumps(values, sort_keys=True, allow_nan=False)
    return f"{text[:-1]}{_CHECK}{_digest(text)}{_END}"


def content(line: str) -> str | None:
    """The JSON that `line` made a line of; None where it is not as it was."""
    text, _, check = line.rpartition(_CHECK)
    return f"{text}}}" if text and check == f"{_digest(text + '}')}{_END}" else None


def checksum(line: str) -> str:
    """That of an intact line."""
    return line[-16 - len(_END) : -len(_END)]


class Line(Part):
    """What a line has."""

    @property
    def line(self) -> str:
        """The line, without its end."""
        return line(self.model_dump())

    @classmethod
    def of(cls, line: str) -> Self | None:
        """That of a line; None where it is not as `line` gave it, or doesn't fit."""
        text = content(line)
        try:
            return None if text is None else cls.model_validate_json(text)
        except ValidationError:
            return None


Kind = TypeVar("Kind", bound=Line)


def read(path: Path, kind: type[Kind]) -> tuple[list[Kind], int]:
    """A file's lines, in order, and how many bytes they are; none where there is no file. A line
    that is cut, changed, or doesn't fit is as if it weren't there.

    Raises PolyakError for a file that can't be read, or is a link.
    """
    files.no_link(path)
    try:
        *lines, _ = reading.lines(path)
    except FileNotFoundError:
        return [], 0
    size = sum(len(one.encode("utf-8", "surrogateescape")) + 1 for one in lines)
    return [one for one in map(kind.of, lines) if one], size


def append(path: Path, added: Sequence[Line], *, at: int) -> int:
    """Add lines to the `at` bytes that `read` has counted, in the place of a line that was cut: on
    disk when this returns the new size. Raises as `files.append` does."""
    return files.append(path, "".join(f"{one.line}\n" for one in added).encode(), at=at)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
