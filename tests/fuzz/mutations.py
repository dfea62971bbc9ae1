"""Files broken as strangers, disks and editors break them: strategies of functions on bytes.

json_files().example()(path.read_bytes())     # what the file holds instead

Each mutation is a frozen value whose repr says what it does, and whose call does it to whatever
file it is given; where it can't (the text is no JSON any more), the bytes are returned as they are.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from hypothesis import strategies as st

Mutation: TypeAlias = Callable[[bytes], bytes]
Strategy: TypeAlias = st.SearchStrategy[Mutation]

TRACE = "code_ran"
"""A file of this name appears in the working directory where code of a file was run."""
DEEP = 20_000
LONG = "x" * 131_073
"""One more than csv's largest cell."""


@dataclass(frozen=True)
class Bytes:
    """One change at a place: a share of the file's length, so that it fits any file."""

    how: str
    place: float
    length: int = 1
    chunk: bytes = b""

    def __call__(self, content: bytes) -> bytes:
        at = min(int(self.place * len(content)), max(len(content) - 1, 0))
        before, after = content[:at], content[at:]
        match self.how:
            case "flip":
                part = bytes(one ^ 0xFF for one in after[: self.length])
                return before + part + after[self.length :]
            case "flip bit":
                return before + bytes([after[0] ^ (1 << self.length % 8)]) + after[1:]
            case "cut":
                return before
            case "remove":
                return before + after[self.length :]
            case "insert":
                return before + self.chunk + after
            case "repeat":
                return before + after[: self.length] * 40 + after
            case _:
                return b""


CHUNKS = [b"\0", b"\xff\xfe", b"\r\n", b'"', b"{", b"]", b",", b"PK\x03\x04", b"\xed\xa0\x80"]


def bytes_changed() -> Strategy:
    one = st.builds(
        Bytes,
        st.sampled_from(["flip", "flip bit", "cut", "remove", "insert", "repeat", "empty"]),
        st.floats(0, 1) | st.floats(0, 0.03) | st.floats(0.97, 1),
        st.integers(1, 400),
        st.sampled_from(CHUNKS) | st.binary(min_size=1, max_size=30),
    )
    return one.filter(lambda it: it.how != "empty") | one


@dataclass(frozen=True)
class Text:
    """A value as a file has it, shown short."""

    text: str

    def __repr__(self) -> str:
        shown = self.text if len(self.text) < 60 else f"{self.text[:30]}...[{len(self.text)}]"
        return f"Text({shown!r})"


@dataclass(frozen=True)
class Change:
    """Of a document: at one of its values, where each number of `where` picks, modulo their number,
    one of those inside the one before; `value` is written as it stands."""

    how: str
    where: tuple[int, ...]
    value: Text


@dataclass(frozen=True)
class Edit:
    """Changes to the document of a JSON or YAML file, one after the other."""

    changes: tuple[Change, ...]
    yaml: bool = False

    def __call__(self, content: bytes) -> bytes:
        try:
            document = (
                yaml.load(content, yaml.CSafeLoader) if self.yaml else json.loads(content.decode())
            )
        except (ValueError, RecursionError, yaml.YAMLError):
            return content
        if not isinstance(document, dict | list):
            return content
        for number, change in enumerate(self.changes):
            if (place := _place(document, change.where)) is None:
                return change.value.text.encode("utf-8", "surrogatepass")
            _change(change.how, *place, f"@value{number}")
        made = json.dumps(document, indent=1, default=str)  # of which YAML is a superset
        for number, change in enumerate(self.changes):
            made = made.replace(f'"@value{number}"', change.value.text)
            again = rf'"\1": {_escaped(change.value.text)}, "\1":'
            made = re.sub(rf'"@value{number} (.*)":', again, made)
        return made.encode("utf-8", "surrogatepass")


def _change(how: str, parent: Any, key: Any, value: str) -> None:
    match how:
        case "replace":
            parent[key] = value
        case "delete":
            del parent[key]
        case "wrap":
            parent[key] = [parent[key]]
        case "under":
            parent[key] = {"@": parent[key]}
        case "rename" if isinstance(parent, dict):
            parent[value] = parent.pop(key)
        case "twice" if isinstance(parent, dict):
            parent[f"{value} {key}"] = parent.pop(key)
        case "add" if isinstance(parent, dict):
            parent["new"] = value
        case _:
            parent[key] = [parent[key], value]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\")


def _place(value: Any, where: tuple[int, ...]) -> tuple[Any, Any] | None:
    """The container and the key there."""
    found = None
    for pick in where:
        keys = list(value if isinstance(value, dict) else range(len(value)))
        if not keys:
            break
        found = value, keys[pick % len(keys)]
        value = value[found[1]]
        if not isinstance(value, dict | list):
            break
    return found


_HOW = ["replace", "replace", "replace", "delete", "wrap", "under", "rename", "twice", "add"]

COMMON = [
    *("null", "true", "-1", "0", "1", "-0.0", "0.5", "1e999", "-1e999", "1e-400", "1e308"),
    *(str(2**31), str(2**53 + 1), str(2**63 - 1), str(2**63), str(-(2**63)), str(2**64)),
    *(f"1{'0' * 400}", f"1{'0' * 5000}", '""', '" "', '"x"', '"nan"', '"../../elsewhere"'),
    *('"/"', f'"{"x" * 300}"', f'"{LONG}"', '"\\u0000"', '"\\n"', '"\\ud800"', '"\\u202e<b>"'),
    *("[]", "{}", "[[]]", "[null]", '{"": null}', '{"a": {"b": 1}}', '[1, "x", null, 2.5]'),
    *("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP),
    *('"${oc.env:HOME}"', '"${nowhere}"', '"???"', '"${hydra:run.dir}"', "[0, 0, 0, 0, 0]"),
]
JSON = [*COMMON, "NaN", "Infinity", "-Infinity", "", "01", "'x'", '"\\q"', '"\t"']
BOMB = "[&a [x,x,x,x,x,x,x,x,x]" + "".join(
    f",&{new} [{','.join(['*' + old] * 9)}]"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
YAML = [
    *COMMON,
    *(".nan", ".inf", "-.inf", "1_000", "0x7fffffffffffffffffff", "1:30:00", "~", "on"),
    *("!!binary aGVsbG8=", "!!set {a, b}", "2001-01-01", "2001-12-14t21:59:43.10-05:00"),
    f'!!python/object/apply:os.system ["touch {TRACE}"]',
    f'!!python/object/new:subprocess.Popen [["touch", "{TRACE}"]]',
    f'{{_target_: os.system, command: "touch {TRACE}", _args_: ["touch {TRACE}"]}}',
    *("!!python/name:os.system ''", "!unknown x", "*nowhere", "&x [*x]", f"{BOMB}]", "{<<: 1}"),
    *("{[1]: 2}", "{? {a: 1} : 2}", "{1: 2}", "{null: 1}", "{true: 1}", "{1.5: 1}", "'", "\t", "%"),
]


def json_edits(values: list[str] = JSON, yaml: bool = False) -> Strategy:
    change = st.builds(
        Change,
        st.sampled_from(_HOW),
        st.lists(st.integers(0, 24), min_size=1, max_size=6).map(tuple),
        st.sampled_from(values).map(Text),
    )
    several = st.lists(change, min_size=1, max_size=2).map(tuple)
    return st.builds(Edit, several, st.just(yaml))


@dataclass(frozen=True)
class Whole:
    """Another file altogether."""

    value: Text

    def __call__(self, content: bytes) -> bytes:
        return self.value.text.encode("utf-8", "surrogatepass")


def _often(edits: Strategy, values: list[str]) -> Strategy:
    whole: Strategy = st.sampled_from(values).map(Text).map(Whole)
    return st.one_of(edits, edits, edits, bytes_changed(), whole)


def json_files() -> Strategy:
    return _often(json_edits(), JSON)


@dataclass(frozen=True)
class Forged:
    """The last of a file's lines with checksums (`polyak.records.summed`) changed, with the right
    checksum."""

    edit: Mutation

    def __call__(self, content: bytes) -> bytes:
        *before, line, _ = content.rsplit(b"\n", 2)
        text, _, _ = line.rpartition(b', "line": "')
        changed = self.edit(text + b"}").replace(b"\n", b" ")
        check = hashlib.sha256(changed).hexdigest()[:16].encode()
        return b"\n".join([*before, changed[:-1] + b', "line": "' + check + b'"}', b""])


def lines_with_checksums() -> Strategy:
    return st.one_of(bytes_changed(), st.builds(Forged, json_edits()))


def yaml_files() -> Strategy:
    return _often(json_edits(YAML, yaml=True), YAML)


@dataclass(frozen=True)
class Cell:
    """One change to a CSV file's table, at a row (0: the names) and column, modulo their number."""

    how: str
    row: int
    column: int
    value: Text

    def __call__(self, content: bytes) -> bytes:
        try:
            rows = list(csv.reader(io.StringIO(content.decode())))
        except (ValueError, csv.Error):
            return content
        if not rows or not any(rows):
            return self.value.text.encode("utf-8", "surrogatepass")
        at = self.row % len(rows)
        row = rows[at] or rows[0]
        column = self.column % len(row)
        match self.how:
            case "replace":
                row[column] = self.value.text
            case "append":
                row.append(self.value.text)
            case "delete":
                del row[column]
            case "delete row":
                del rows[at]
            case "repeat row":
                rows.insert(at, rows[at])
            case "delete column":
                rows = [[*one[:column], *one[column + 1 :]] for one in rows]
            case "repeat column":
                rows = [[*one, *one[column : column + 1]] for one in rows]
            case "reverse":
                rows = [rows[0], *reversed(rows[1:])]
            case _:
                rows = rows[:1]
        made = io.StringIO()
        csv.writer(made, lineterminator="\n").writerows(rows)
        return made.getvalue().encode("utf-8", "surrogatepass")


CELLS = [
    *("", " ", "x", "nan", "inf", "-inf", "-1", "0", "1", "1.5", "1e999", "1e-400", "0x10", "1_0"),
    *(str(2**31), str(2**63), str(-(2**63)), str(2**64), "9" * 400, "9" * 5000, LONG, "x" * 2**20),
    *("\0", "\n", '"', ",", "\ud800", "\u0661", "validation", "test", "average", "True", "=1+1"),
]


def csv_files() -> Strategy:
    how = ["replace", "append", "delete", "delete row", "repeat row", "delete column", "reverse"]
    edits: Strategy = st.builds(
        Cell,
        st.sampled_from(["replace"] * 6 + how + ["repeat column", "empty"]),
        st.integers(0, 60),
        st.integers(0, 20),
        st.sampled_from(CELLS).map(Text),
    )
    return _often(edits, CELLS)
