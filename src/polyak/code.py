"""The hash of code: of what some modules do, and not of how it is written.

    code_digest(["polyak.training.trainer", "polyak.models.small_cnn"])

A module counts with all modules of this package that it imports. What cannot decide a number is
left out: comments, docstrings, formatting, annotations, messages of errors and logs, and the
modules NOT_COUNTED.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent

NOT_COUNTED = frozenset({"errors", "parameters"})
"""Modules, by names relative to the package: classes of errors, and the ranges of parameters."""

_SPEAKERS = ("log", "logging", "warnings")


def code_digest(modules: Iterable[str], package: Path = PACKAGE) -> str:
    """SHA-256 (hex) of the syntax trees of those `modules` (full names) that are in `package`, and
    of all that they import from it, by their names relative to it.

    Modules of other packages are left out: their versions are recorded, not hashed. Raises
    FileNotFoundError for a module of the package that has no source.
    """
    trees: dict[str, Any] = {}
    prefix = f"{package.name}."
    waiting = [name.removeprefix(prefix) for name in modules if name.startswith(prefix)]
    while waiting:
        name = waiting.pop()
        if name in trees or name in NOT_COUNTED:
            continue
        tree = ast.parse(_source(name, package).read_text(encoding="utf-8"))
        trees[name] = _plain(tree)
        waiting += [found.removeprefix(prefix) for found in _imports(tree, package)]
    return hashlib.sha256(json.dumps(trees, sort_keys=True).encode()).hexdigest()


def _source(name: str, package: Path) -> Path:
    path = package.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(tree: ast.Module, package: Path) -> Iterator[str]:
    """Full names of the modules of `package` that are imported (as this project writes imports)."""
    prefix = f"{package.name}."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(prefix))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module != package.name and not node.module.startswith(prefix):
                continue
            folder = package.joinpath(*node.module.split(".")[1:])
            for alias in node.names:
                inside = (folder / alias.name).is_dir() or (folder / f"{alias.name}.py").is_file()
                yield f"{node.module}.{alias.name}" if inside else node.module


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
    """Whether a statement can't decide a number: a docstring, a message, an import for types."""
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        return module in ("typing", "collections.abc", "__future__") or (
            module.partition(".")[2] in NOT_COUNTED
        )
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
