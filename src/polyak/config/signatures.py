"""What a choice takes, read from its source without importing it: naming a model needs no torch.

parameters(PACKAGE / "models" / "small_cnn.py", "SmallCNN")
# {"input_shape": ..., "channels": Parameter(tuple[Count, Count], (32, 64)), ...}
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from polyak import parameters as types

REQUIRED: Any = ...
"""In place of a default: there is none."""

_VOCABULARY = {
    **{name: getattr(types, name) for name in types.__all__},
    **{"int": int, "float": float, "str": str, "bool": bool, "list": list, "tuple": tuple},
    **{"Literal": Literal, "Any": Any},
}


@dataclass(frozen=True)
class Parameter:
    """Its type, with its range; None where the annotation is no type of `polyak.parameters`.
    `default` is REQUIRED where there is none."""

    type: Any
    default: Any


def parameters(path: Path, name: str) -> dict[str, Parameter] | None:
    """The parameters of the class or function `name` that is defined in `path`, in order; None
    where there is no such file, or no such definition in it.

    Of a class, those of its `__init__`, or its fields where it is a dataclass. Raises TypeError for
    a default that is no literal.
    """
    if not path.is_file():
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _arguments(node.args)
        if isinstance(node, ast.ClassDef) and node.name == name:
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                    found = _arguments(inner.args)
                    found.pop(inner.args.args[0].arg)  # self
                    return found
            return _fields(node)
    return None


def definitions(path: Path) -> list[str]:
    """Names of the public classes and functions that a file defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.ClassDef, ast.FunctionDef)
    return [n.name for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]


def _arguments(args: ast.arguments) -> dict[str, Parameter]:
    positional = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + args.defaults
    pairs = [*zip(positional, defaults, strict=True)]
    pairs += zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return {arg.arg: _parameter(arg.annotation, default) for arg, default in pairs}


def _fields(node: ast.ClassDef) -> dict[str, Parameter]:
    return {
        inner.target.id: _parameter(inner.annotation, inner.value)
        for inner in node.body
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name)
        if not ast.unparse(inner.annotation).startswith("ClassVar")
    }


def _parameter(annotation: ast.expr | None, default: ast.expr | None) -> Parameter:
    try:
        value = REQUIRED if default is None else ast.literal_eval(default)
    except ValueError:
        raise TypeError(
            f"default {ast.unparse(default or ast.Constant(None))}: write a literal"
        ) from None
    return Parameter(type=None if annotation is None else _type(annotation), default=value)


def _type(annotation: ast.expr) -> Any:
    """The type that an annotation of this project's own source names."""
    code = compile(ast.Expression(annotation), "<annotation>", "eval")
    try:
        return eval(code, {"__builtins__": {}}, dict(_VOCABULARY))
    except NameError:  # ParamsT, Sequence[int]: what the code gives, and no YAML file
        return None
