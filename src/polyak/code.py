"""The hash of code: of what some modules do, and not of how it is written.

    code_digest(["polyak.training.trainer", "polyak.models.small_cnn"])

A module counts with the packages that it is in and all that it imports from this one. What cannot
decide a number is left out: comments, docstrings, formatting, annotations, messages of errors and
logs, the imports that are for these alone, and what a package offers by name to others.
"""

import ast
import functools
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


@functools.lru_cache(maxsize=64)
def imported_digest(modules: tuple[str, ...]) -> str:
    """The `code_digest` of modules that this process has imported: read once, as they were."""
    return code_digest(modules)


def code_of(source: str) -> Any:
    """The syntax tree of a source that stands alone, as JSON values. Raises SyntaxError."""
    return _plain(ast.parse(source))


def counted_code(modules: Iterable[str], package: Path = PACKAGE) -> dict[str, Any]:
    """The syntax trees, as JSON values, of those `modules` (full names) that are in `package`, of
    the packages that they are in, and of all that they import from it, by their names relative to
    it. An import that only annotations and messages use does not count.

    Modules of other packages are left out: their versions are recorded, not hashed. What is looked
    up by a text (importlib, globals) is not seen. Raises FileNotFoundError for a module of the
    package that has no source.
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
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        # Of this package's modules, what no name uses counts too: it may be for others, or for what
        # importing it does.
        imports = [
            one
            for one in _imports(tree, name, package)
            if one.bound in used or (one.follow is not None and one.bound not in named)
        ]
        trees[name] = [code, sorted([one.module, one.name, one.bound] for one in imports)]
        waiting += [one.follow for one in imports if one.follow is not None]
        waiting += [name.rpartition(".")[0]] if name else []
    return trees


def _source(name: str, package: Path) -> Path:
    path = package.joinpath(*name.split(".")) if name else package
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@dataclass(frozen=True)
class _Import:
    """A name that is imported, what it is `bound` to, and the module of the package to `follow`, by
    its name relative to it; None for another package's."""

    module: str
    name: str
    bound: str
    follow: str | None = None


def _imports(tree: ast.Module, importer: str, package: Path) -> Iterator[_Import]:
    """All imports of a module, wherever they are in it."""
    prefix = f"{package.name}."
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                inside = alias.name.removeprefix(prefix) if alias.name.startswith(prefix) else None
                yield _Import(inside or alias.name, "", bound, inside)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                above = f"{prefix}{importer}".split(".")[: -node.level]
                module = ".".join([*above, *([module] if module else [])])
            for alias in node.names:
                bound = alias.asname or alias.name
                if not f"{module}.".startswith(prefix):
                    yield _Import(module, alias.name, bound)
                    continue
                room = module.removeprefix(package.name).removeprefix(".")
                inside = f"{room}.{alias.name}".removeprefix(".")
                there = _source(inside, package).is_file()
                yield _Import(room, alias.name, bound, inside if there else room)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """A tree's nodes, but what is for type checkers alone."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not _for_types(child):
            yield from _walk(child)


def _for_types(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def _names(code: Any) -> Iterator[str]:
    """Names that a tree uses, as `_plain` gives it."""
    if isinstance(code, dict):
        if code["node"] == "Name":
            yield code["id"]
        code = list(code.values())
    if isinstance(code, list):
        for item in code:
            yield from _names(item)


def _plain(node: Any, in_class: bool = False) -> Any:
    """A syntax tree as JSON, the same from every Python version: empty fields are left out."""
    if isinstance(node, list):
        return [_plain(item, in_class) for item in node if not _says_nothing(item, in_class)]
    if not isinstance(node, ast.AST):
        if isinstance(node, str | int | float | bool | None):
            return node
        return [type(node).__name__, repr(node)]
    if isinstance(node, ast.Raise):
        return _raise(node)
    if isinstance(node, ast.AnnAssign) and not in_class and node.value is not None:
        node = ast.Assign(targets=[node.target], value=node.value)
    left_out = {"annotation", "returns", "type_comment", "type_params", "simple"}
    inside = isinstance(node, ast.ClassDef)
    plain = {
        name: _plain(value, inside and name == "body")
        for name, value in ast.iter_fields(node)
        if name not in left_out
    }
    if isinstance(node, ast.AnnAssign) and "ClassVar" in ast.unparse(node.annotation):
        plain["class_variable"] = True
    return {
        "node": type(node).__name__,
        **{name: value for name, value in plain.items() if value not in (None, [])},
    }


def _raise(node: ast.Raise) -> dict[str, Any]:
    """The kind of exception and what it carries, without its message."""
    kind, carried = node.exc, list[ast.expr]()
    if isinstance(kind, ast.Call):
        carried = [*kind.args, *(keyword.value for keyword in kind.keywords)]
        kind = kind.func
    texts = (ast.Constant, ast.JoinedStr)
    return {
        "node": "Raise",
        "kind": ast.unparse(kind) if kind else "",  # as a text: naming a class is no use of it
        "carried": [_plain(one) for one in carried if not isinstance(one, texts)],
    }


def _offers(node: Any) -> bool:
    """Whether a statement only says what a package has for others (PEP 562)."""
    if isinstance(node, ast.FunctionDef):
        return node.name == "__getattr__"
    return isinstance(node, ast.Assign) and any(
        isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets
    )


_MESSAGES = ("debug", "info", "warning", "error", "exception", "critical", "warn")


def _says_nothing(node: Any, in_class: bool) -> bool:
    """Whether a statement can't decide a number: a docstring, a message that computes nothing, the
    declaration of a type outside of a class, what a package offers. Imports count by themselves."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if _for_types(node) or (not in_class and _offers(node)):
        return True
    if not isinstance(node, ast.Expr):
        return isinstance(node, ast.AnnAssign) and node.value is None and not in_class
    if isinstance(node.value, ast.Constant):
        return True
    call = node.value
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in _SPEAKERS
        and call.func.attr in _MESSAGES
        and not any(isinstance(part, ast.Call) for arg in call.args for part in ast.walk(arg))
    )
