"""The hash of code: of what some modules do, and not of how it is written.

    code_digest(["polyak.training.trainer", "polyak.models.small_cnn"])

A module counts with all that it imports from this package and uses. What cannot decide a number is
left out: comments, docstrings, formatting, annotations, messages of errors and logs, and with them
the imports that are for these alone.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent

_SPEAKERS = ("log", "logging", "warnings")


def code_digest(modules: Iterable[str], package: Path = PACKAGE) -> str:
    """SHA-256 (hex) of the `counted_code` of those modules."""
    counted = counted_code(modules, package)
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()


def counted_code(modules: Iterable[str], package: Path = PACKAGE) -> dict[str, Any]:
    """The syntax trees, as JSON values, of those `modules` (full names) that are in `package`, and
    of all that they import from it and use, by their names relative to it.

    Modules of other packages are left out: their versions are recorded, not hashed. Raises
    FileNotFoundError for a module of the package that has no source.
    """
    trees: dict[str, Any] = {}
    prefix = f"{package.name}."
    waiting = [name.removeprefix(prefix) for name in modules if name.startswith(prefix)]
    while waiting:
        name = waiting.pop()
        if name in trees:
            continue
        tree = ast.parse(_source(name, package).read_text(encoding="utf-8"))
        code = _plain(tree)
        used = set(_names(code))
        imports = [one for one in _imports(tree, package) if one.bound in used]
        trees[name] = [code, sorted([one.module, one.name, one.bound] for one in imports)]
        waiting += [one.follow for one in imports if one.follow]
    return trees


def _source(name: str, package: Path) -> Path:
    path = package.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@dataclass(frozen=True)
class _Import:
    """A name that is imported, what it is `bound` to, and the module of the package to `follow`, by
    its name relative to it; "" for another package's."""

    module: str
    name: str
    bound: str
    follow: str = ""


def _imports(tree: ast.Module, package: Path) -> Iterator[_Import]:
    """All imports, wherever they are (as this project writes them: none is relative)."""
    prefix = f"{package.name}."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                inside = alias.name.removeprefix(prefix) if alias.name.startswith(prefix) else ""
                yield _Import(inside or alias.name, "", bound, inside)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                bound = alias.asname or alias.name
                if not f"{node.module}.".startswith(prefix):
                    yield _Import(node.module, alias.name, bound)
                    continue
                room = node.module.removeprefix(package.name).removeprefix(".")
                module = f"{room}.{alias.name}".removeprefix(".")
                source = _source(module, package)
                yield _Import(room, alias.name, bound, module if source.is_file() else room)


def _names(code: Any) -> Iterator[str]:
    """Names that a tree uses, as `_plain` gives it."""
    if isinstance(code, dict):
        if code["node"] == "Name":
            yield code["id"]
        code = list(code.values())
    if isinstance(code, list):
        for item in code:
            yield from _names(item)


def _plain(node: Any) -> Any:
    """A syntax tree as JSON, the same from every Python version: empty fields are left out."""
    if isinstance(node, list):
        return [_plain(item) for item in node if not _says_nothing(item)]
    if not isinstance(node, ast.AST):
        if isinstance(node, str | int | float | bool | None):
            return node
        return [type(node).__name__, repr(node)]
    left_out = {"annotation", "returns", "type_comment", "type_params"}
    if isinstance(node, ast.Raise):
        left_out |= {"exc", "cause"}
    plain = {name: _plain(value) for name, value in ast.iter_fields(node) if name not in left_out}
    return {
        "node": type(node).__name__,
        **{name: value for name, value in plain.items() if value not in (None, [])},
    }


def _says_nothing(node: Any) -> bool:
    """Whether a statement can't decide a number: a docstring, a message, a declaration of a type.
    Imports count by their use."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if not isinstance(node, ast.Expr):
        return isinstance(node, ast.AnnAssign) and node.value is None
    if isinstance(node.value, ast.Constant):
        return True
    called = node.value.func if isinstance(node.value, ast.Call) else None
    return (
        isinstance(called, ast.Attribute)
        and isinstance(called.value, ast.Name)
        and called.value.id in _SPEAKERS
    )
