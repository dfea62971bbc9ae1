"""What a pickle would make, as inert values: nothing is unpickled, imported or called.

    inert.read(path.read_bytes(), path, {"torch.Size", "torch.float32"})

A name in a pickle becomes a `Named`, and what would be made by calling it a `Made`, which holds the
arguments and does nothing. Only instructions of Python's protocols 2 to 5 for plain values and
objects are known, and only allowed names: all else is refused. Memory and time are proportional to
the pickle's length: sharing within it is never followed here.
"""

import pickletools
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyak import files
from polyak.errors import CheckpointError


@dataclass(frozen=True)
class Named:
    """A class, function or constant of that dotted name, not looked up."""

    name: str


@dataclass(eq=False)
class Made:
    """What the call of a name with these arguments would be, and the state that it was given. Two
    are never equal, so that as keys they need no look at what they hold."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None

    def __repr__(self) -> str:  # never of what it holds, which may share parts without end
        return f"{self.name}(...)"


def read(pickle: bytes, path: Path, allowed: Container[str]) -> Any:
    """The value of a pickle that is in the file `path`.

    Raises CheckpointError, naming the file, for a name that isn't `allowed`, an instruction that
    plain values don't need, or where it is cut off.
    """
    machine = _Machine(path, allowed)
    try:
        for code, argument, _ in pickletools.genops(pickle):
            if code.name == "STOP":
                (value,) = machine.stack
                return value
            machine.run(code.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeError) as error:
        said = files.shown(str(error), 200)
        raise CheckpointError(f"{path}: is no intact pickle ({said}); copy it again") from None
    raise CheckpointError(f"{path}: has no end; copy it again")


_PUSHED = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PUT = ("BINPUT", "LONG_BINPUT")
_GOT = ("BINGET", "LONG_BINGET")
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARKED = ("TUPLE", "SETITEMS", "APPENDS")


class _Machine:
    """The stack and memory of a pickle's instructions."""

    def __init__(self, path: Path, allowed: Container[str]) -> None:
        self._path, self._allowed = path, allowed
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, code: str, argument: Any) -> None:
        stack = self.stack
        if code in _PUSHED:
            stack.append(argument)
        elif code in _GOT:
            stack.append(self._memo[argument])
        elif code == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif code in _PUT:
            self._memo[argument] = stack[-1]
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _TUPLES:
            stack.append(self._last(_TUPLES[code]))
        elif code == "MARK":
            self._below.append(stack)
            self.stack = []
        elif code in _MARKED:
            self.stack = self._below.pop()
            self._from_mark(code, stack)
        elif code == "EMPTY_LIST":
            stack.append([])
        elif code == "EMPTY_DICT":
            stack.append({})
        elif code == "APPEND":
            (item,) = self._last(1)
            self._list().append(item)
        elif code == "SETITEM":
            self._set(self._last(2))
        elif code in ("GLOBAL", "STACK_GLOBAL"):
            parts = argument.split(" ", 1) if code == "GLOBAL" else self._last(2)
            stack.append(self._named(".".join(parts)))
        elif code in ("REDUCE", "NEWOBJ"):
            called, arguments = self._last(2)
            if not (isinstance(called, Named) and isinstance(arguments, tuple)):
                raise ValueError("a call of what is no name")
            stack.append(Made(called.name, arguments))
        elif code == "BUILD":
            (state,) = self._last(1)
            if not isinstance(stack[-1], Made):
                raise ValueError("a state of what is no object")
            stack[-1].state = state
        elif code not in ("PROTO", "FRAME"):
            raise ValueError(f"instruction {code}")

    def _from_mark(self, code: str, items: list[Any]) -> None:
        if code == "TUPLE":
            self.stack.append(tuple(items))
        elif code == "APPENDS":
            self._list().extend(items)
        else:
            self._set(items)

    def _last(self, count: int) -> tuple[Any, ...]:
        if count > len(self.stack):
            raise ValueError("it takes more than it has")
        found = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return found

    def _list(self) -> list[Any]:
        found = self.stack[-1]
        if not isinstance(found, list):
            raise ValueError("items of what is no list")
        return found

    def _set(self, items: Any) -> None:
        found = self.stack[-1]
        if not isinstance(found, dict):
            raise ValueError("keys of what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | Made):  # a tuple's hash may take for ever
                raise ValueError(f"a key that is a {type(key).__name__}")
            found[key] = value

    def _named(self, name: str) -> Named:
        if name not in self._allowed:
            raise CheckpointError(
                f"{self._path}: holds {files.shown(name)}, which is none of the classes that "
                "torch.distributed.checkpoint describes tensors with; none of it was run"
            )
        return Named(name)
