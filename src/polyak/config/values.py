"""What plain values may be at all, whatever the key: what no type of a key has to think of.

    wrong({"name": b"binary"})   # ["name = b'binary': allowed: text, numbers, true, false, null"]

YAML can say more than a configuration means: bytes, dates, integers of any length, text that no
file name can hold, and lists within lists until Python gives up.
"""

from collections.abc import Mapping
from typing import Any

from polyak import files

DEEPEST = 32
LARGEST = 2**63
"""Integers that torch takes are below it."""


def wrong(values: Any) -> list[str]:
    """One line for each value, by its dotted key, that can't be in a configuration."""
    found, waiting = [], [("", values, 0)]
    while waiting:
        key, value, depth = waiting.pop()
        if depth > DEEPEST:
            found.append(f"{files.shown(key)}: nested too deep; allowed: {DEEPEST} levels")
        elif isinstance(value, Mapping):
            waiting += [
                (f"{key}.{name}".lstrip("."), one, depth + 1) for name, one in value.items()
            ]
        elif isinstance(value, list | tuple):
            waiting += [(f"{key}.{index}", one, depth + 1) for index, one in enumerate(value)]
        elif (allowed := _allowed(value)) is not None:
            found.append(f"{files.printable(key)} = {files.shown(value)}: allowed: {allowed}")
        elif _allowed(key) is not None:
            found.append(f"{files.shown(key)}: allowed: keys of Unicode text without NUL")
    return found[::-1]


def _allowed(value: object) -> str | None:
    """What a value should have been; None where it can be checked further."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # a lone surrogate
            return "Unicode text"
        return "text without NUL" if "\0" in value else None
    if isinstance(value, int) and abs(value) >= LARGEST:
        return "integers below 2**63"
    if value is None or isinstance(value, int | float):
        return None
    return "text, numbers, true, false, null"
