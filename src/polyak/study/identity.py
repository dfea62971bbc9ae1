"""What names a function of somebody's own: its name, and its source without comments and layout.

    name_of(evaluate)                # "evaluate"
    source_digest(evaluate)          # 16 hex digits, the same in another process

What the function calls and closes over is not seen: the first epoch's scores are compared for that.
"""

import functools
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from polyak.code import code_of


def name_of(function: Callable[..., Any]) -> str:
    """As a person knows it."""
    inner = _inner(function)
    return str(getattr(inner, "__qualname__", type(inner).__qualname__)).rpartition("<locals>.")[2]


def source_digest(function: Callable[..., Any]) -> str:
    """16 hex digits of the SHA-256 of name and source; of the name alone, where there is no source,
    as of a function that was typed in."""
    inner = _inner(function)
    named: Any = inner if hasattr(inner, "__qualname__") else type(inner)
    try:
        source = textwrap.dedent(inspect.getsource(named))
    except (OSError, TypeError):
        source = ""
    code: Any = source
    with suppress(SyntaxError):  # of a lambda within a line
        code = code_of(source)
    text = json.dumps([name_of(function), code], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _inner(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    inner: Callable[..., Any] = inspect.unwrap(function)
    return inner
