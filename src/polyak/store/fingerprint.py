"""Names for trainings: a hash of all that decides the weights, and of nothing else.

fingerprint(ingredients)  # '3f8a0c52d71be964'
"""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def fingerprint(ingredients: Mapping[str, Any]) -> str:
    """16 hex digits of the SHA-256 of `ingredients` (JSON values), whatever their order."""
    text = json.dumps(ingredients, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_digest(modules: Iterable[str], package: str = "polyak") -> str:
    """SHA-256 (hex) of the syntax trees of those `modules` that are in `package`, and of all that
    they import from it.

    Comments, docstrings and formatting don't count. Raises ModuleNotFoundError.
    """
    trees: dict[str, ast.Module] = {}
    waiting = [name for name in modules if name.split(".")[0] == package]
    while waiting:
        name = waiting.pop()
        if name in trees:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"there is no source of module {name}")
        trees[name] = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        waiting.extend(_imports(trees[name], package))
    text = json.dumps({name: _plain(tree) for name, tree in trees.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _imports(tree: ast.Module, package: str) -> list[str]:
    """Modules of `package` that `tree` imports, by full name (as this project writes imports)."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                inside = node.module.split(".")[0] == package and importlib.util.find_spec(
                    node.module
                )
                submodule = inside and inside.submodule_search_locations and _exists(name)
                found.append(name if submodule else node.module)
    return [name for name in found if name.split(".")[0] == package and name != package]


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _plain(node: Any) -> Any:
    """A syntax tree as JSON, the same from every Python version: empty fields are left out."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        if isinstance(node, str | int | float | bool | None):
            return node
        return [type(node).__name__, repr(node)]
    fields = dict(ast.iter_fields(node))
    body = fields.get("body")
    if isinstance(body, list) and body and _is_docstring(body[0]):
        fields["body"] = body[1:]
    plain = {name: _plain(value) for name, value in fields.items()}
    return {
        "node": type(node).__name__,
        **{name: value for name, value in plain.items() if value not in (None, [])},
    }


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
