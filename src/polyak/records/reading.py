"""The one code that opens records, which may be a stranger's or half written: JSON, YAML, CSV.

    reading.json_of(run / "summary.json", Summary)
    lines, cut = reading.cells(run / "distances.csv")

Whatever a file holds: memory and time are bounded by its size, and its size by a limit; only plain
values come out of it; and what can't be read is one PolyakError that names the file and says why.
"""

import csv
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from polyak.errors import PolyakError

Schema = TypeVar("Schema", bound=BaseModel)

MEGABYTE = 1 << 20
LARGEST = {
    **{".json": 64 * MEGABYTE, ".csv": 128 * MEGABYTE, ".yaml": MEGABYTE, ".txt": 16 * MEGABYTE},
    **{".jsonl": 128 * MEGABYTE},
}
"""Bytes, by suffix: several times what 10,000 epochs need."""

MOST_LINES = 1 << 20
"""Of a text file: empty ones would take far more memory than the file."""

DEEPEST = 32
"""Levels of lists and mappings in each other."""

_NUMBER = re.compile(r"[-+0-9][0-9a-fA-Fx_:.]{1000,}")
"""YAML has numbers to the base of 60, which take the square of their length to be read."""


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What is wrong with a file, as a PolyakError; FileNotFoundError where there is none."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(f"{path}: there is no such file") from error
    except ValidationError as error:
        raise PolyakError(f"{path}: {explain(error)}") from None
    except RecursionError:
        raise PolyakError(f"{path}: can't be read (nested too deeply)") from None
    except (OSError, ValueError, csv.Error, yaml.YAMLError) as error:
        why = getattr(error, "strerror", None) or getattr(error, "problem", None) or error
        raise PolyakError(f"{path}: can't be read ({escaped(str(why))[:300]})") from error


def json_of(path: Path, schema: type[Schema]) -> Schema:
    """A JSON file's content, as `schema` has it. Raises PolyakError, or FileNotFoundError."""
    with _explained(path):
        found = json.loads(_text(path), object_pairs_hook=_each_once)
        record = schema.model_validate(found)
        plain(found)  # what the schema leaves open, too
        return record


def plain_json(path: Path) -> Any:
    """A JSON file's content: plain values. Raises as `json_of` does."""
    with _explained(path):
        return plain(json.loads(_text(path), object_pairs_hook=_each_once))


def plain_line(path: Path, text: str) -> Any:
    """The content of a line of JSON, of the file `path`. Raises PolyakError."""
    with _explained(path):
        return plain(json.loads(text, object_pairs_hook=_each_once))


def yaml_of(path: Path, schema: type[Schema]) -> Schema:
    """A YAML file's content, as `schema` has it. Raises as `json_of` does."""
    return fit(path, plain_yaml(path), schema)


def plain_yaml(path: Path) -> Any:
    """A YAML file's content: plain values, and none that stands for another. Raises as `json_of`
    does."""
    with _explained(path):
        text, depth = _text(path), 0
        for event in yaml.parse(text, Loader=_Loader):  # composing recurses, without a limit, in C
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(f"nested deeper than {DEEPEST} levels")
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("has an alias; allowed: each value written out")
            if isinstance(event, yaml.ScalarEvent) and _NUMBER.match(event.value):
                raise ValueError(f"a number of {len(event.value):,} digits")
        return plain(yaml.load(text, _Loader))


def cells(path: Path) -> tuple[list[list[str]], bool]:
    """A CSV file's lines, and whether its last one was cut off, which is then left out. Raises as
    `json_of` does."""
    with _explained(path):
        *lines, rest = _text(path).split("\n")
        return list(csv.reader(lines)), bool(rest)


def lines(path: Path) -> list[str]:
    """A text file's lines: names of files, whose bytes need not be UTF-8. Raises as `json_of`
    does."""
    with _explained(path):
        found = _bytes(path)
        if (count := found.count(b"\n")) > MOST_LINES:
            raise ValueError(f"it has {count:,} lines; allowed: {MOST_LINES:,}")
        return found.decode("utf-8", "surrogateescape").split("\n")


def fit(path: Path, values: Any, schema: type[Schema]) -> Schema:
    """The plain `values` of a file, as `schema` has them. Raises PolyakError."""
    with _explained(path):
        return schema.model_validate(values)


def explain(error: ValidationError) -> str:
    """The first of its problems: key, value and what is allowed."""
    details = error.errors(include_url=False)[0]
    key = ".".join(escaped(str(one))[:100] for one in details["loc"])
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "missing":
        return f"{key} is missing"
    value = f"{key} = {shown(details['input'])}: " if key else ""
    return f"{value}{message[0].lower()}{message[1:]}"


def shown(value: object, most: int = 150) -> str:
    """A value in a message: shortened, with control characters escaped."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def escaped(text: str, *, keeping: str = "") -> str:
    """`text` with control characters, and what is no UTF-8, escaped: on one line."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keeping else ascii(one)[1:-1] for one in text)


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8")


def _bytes(path: Path) -> bytes:
    most = LARGEST[path.suffix]
    with open(path, "rb", opener=_open) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no file")
        found = file.read(most + 1)
    if len(found) > most:
        raise ValueError(f"it is larger than {most // MEGABYTE} MB")
    return found


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for a writer


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} is there twice")
    return found


def plain(value: Any) -> Any:
    """`value` where it is made of lists, mappings by texts, texts, 64-bit integers, finite numbers,
    truth values and None; else ValueError."""
    level: list[tuple[Any, Any]] = [("", value)]
    for _ in range(DEEPEST + 1):
        deeper: list[tuple[Any, Any]] = []
        for key, one in level:
            kind = type(one)
            if kind is dict:
                deeper += one.items()
            elif kind is list:
                deeper += [(key, each) for each in one]
            elif kind is int:
                if not -(2**63) <= one < 2**64:
                    raise ValueError(f"{shown(key)} is an integer of {one.bit_length()} bits")
            elif kind is float:
                if not math.isfinite(one):
                    raise ValueError(f"{shown(key)} = {one}: allowed: finite numbers")
            elif not (kind is str or kind is bool or one is None):
                raise ValueError(f"{shown(key)} is a {kind.__name__}, no plain value")
        if not deeper:
            return value
        level = deeper
    raise ValueError(f"nested deeper than {DEEPEST} levels")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain values only, each key once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        pairs = [
            (self.construct_object(key, deep=True), self.construct_object(value, deep=True))
            for key, value in node.value
        ]
        if not all(type(key) is str for key, _ in pairs):
            raise ValueError("has a key that is no text")
        return _each_once(pairs)
