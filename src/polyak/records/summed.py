"""Lines of JSON with a checksum each, of files that are added to and never rewritten.

    line = summed.line({"begin": 0, "end": 58})   # {"begin": 0, "end": 58, "line": "6c01..."}
    summed.content(line)                          # {"begin": 0, "end": 58}; None of others

A line that a kill or a full disk has cut, and one that was changed, is told by it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
