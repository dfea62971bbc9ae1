"""What files of weights say of themselves in JSON: one schema each, and nothing is believed else.

    metadata("{}", path).tied
    index(path).weight_map["layer.weight"]

Anything that doesn't fit is a CheckpointError that names file, field, value and what is allowed.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyak import files
from polyak.errors import CheckpointError

LARGEST = 100_000_000
"""Bytes of an index: as many as safetensors allows for a file's header."""

_RESERVED = "__metadata__"
"""In a safetensors header, it is not a tensor."""

_MODEL = ConfigDict(strict=True, extra="allow", frozen=True)

Group = Annotated[list[str], Field(min_length=2)]


class Metadata(BaseModel):
    """The JSON object under "polyak" in a safetensors file; more keys are anyone's."""

    model_config = _MODEL
    tied: list[Group] = Field([], description="a list of lists of two or more names")


class Index(BaseModel):
    """A .safetensors.index.json: the file of each tensor."""

    model_config = _MODEL
    weight_map: dict[str, str] = Field(
        min_length=1, description="the name of each tensor to that of its file"
    )


Kind = TypeVar("Kind", Metadata, Index)


def metadata(text: str, path: Path) -> Metadata:
    """What `text`, recorded in the file `path`, says. Raises CheckpointError."""
    return _parsed(Metadata, text, path)


def index(path: Path) -> Index:
    """What an index says. Raises CheckpointError."""
    size = path.stat().st_size
    if size > LARGEST:
        raise CheckpointError(f"{path}: has {size:,} bytes; allowed: at most {LARGEST:,}")
    return _parsed(Index, path.read_bytes(), path)


def check_names(names: Iterable[str], path: Path) -> None:
    """Raise CheckpointError for a name that no tensor of a safetensors file can have."""
    for name in names:
        if name in ("", _RESERVED) or not _is_text(name):
            raise CheckpointError(
                f"{path}: a tensor is named {files.shown(name)}; allowed: Unicode text that is "
                f"not empty and not {_RESERVED}"
            )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _parsed(kind: type[Kind], text: str | bytes, path: Path) -> Kind:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: its metadata are not JSON ({files.shown(str(error), 200)}); write it again"
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{path}: its metadata are {files.shown(value)}; allowed: a JSON object"
        )
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        (key, field), *_ = kind.model_fields.items()
        wrong = error.errors(include_url=False)[0]
        place = "".join(f"[{files.shown(part)}]" for part in wrong["loc"][1:])
        found = "missing" if key not in value else files.shown(wrong["input"])
        raise CheckpointError(
            f'{path}: "{key}"{place} is {found} in its metadata; allowed: {field.description}'
        ) from None
