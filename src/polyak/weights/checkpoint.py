"""A checkpoint's file: safetensors, written atomically, read without unpickling.

    checkpoint.save(path, model.state_dict(), {"epoch": 3})
    model.load_state_dict(checkpoint.load(path).tensors)

Tensors are stored contiguous in the default memory format. Names that share one tensor (tied
weights) are both written, and the ties are recorded; on reading, a recorded tie counts only where
both tensors are the same, byte for byte. All metadata is one JSON string under the key "polyak":
safetensors writes several keys in random order, which would change the file's bytes.
"""

import hashlib
import json
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from polyak import files
from polyak.errors import CheckpointError

METADATA_KEY = "polyak"

Ties: TypeAlias = tuple[tuple[str, ...], ...]
"""Groups of names, each of one tensor; names and groups are sorted."""


@dataclass(frozen=True)
class Checkpoint:
    """A state dict (on CPU), the groups of names that are one tensor, and the file's metadata."""

    tensors: dict[str, Tensor]
    tied: Ties = ()
    metadata: dict[str, Any] = field(default_factory=dict)


def ties(state: Mapping[str, Tensor]) -> Ties:
    """Groups of two or more names whose entries are the same view of the same memory."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, tensor in state.items():
        if tensor.numel() == 0:
            continue
        view = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        groups.setdefault(view, []).append(name)
    return _sorted(names for names in groups.values() if len(names) > 1)


def save(
    path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write `state` atomically to `path`, read-only (0444).

    `metadata` must be JSON; "tied" is added to it. The tensors may live on any device and in any
    memory format; the live weights are copied, never aliased. Raises OSError where the file can't
    be written, TypeError for metadata that aren't JSON.
    """
    tensors = {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()
    }
    text = json.dumps({**(metadata or {}), "tied": ties(state)}, sort_keys=True)
    with files.atomic(path, read_only=True) as temporary:
        # Not by save_file, whose own temporary file beside this one would outlive a kill.
        temporary.write_bytes(safetensors.torch.save(tensors, {METADATA_KEY: text}))


def load(path: Path) -> Checkpoint:
    """Read a file written by `save`, or any other safetensors file, which then has no ties. Tied
    names share one tensor again. Raises CheckpointError as `opened` does."""
    with opened(path) as file:
        tensors = {name: file.tensor(name) for name in file.names}
    for group in file.tied:
        tensors |= dict.fromkeys(group, tensors[group[0]])
    return Checkpoint(tensors, file.tied, file.metadata)


@contextmanager
def opened(path: Path) -> Iterator["OpenFile"]:
    """Open a safetensors file, whose tensors are read when asked for.

    Raises CheckpointError, naming the file, where it is missing, is no intact safetensors file, has
    metadata under "polyak" that are no JSON object, or records as tied what isn't: names that are
    missing, or whose tensors differ in dtype, shape or any byte.
    """
    try:
        handle = safetensors.safe_open(path, framework="pt")
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such file") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not an intact safetensors file ({error})") from error
    with handle:
        yield OpenFile(path, handle)


class OpenFile:
    """An open safetensors file, as `opened` makes it."""

    def __init__(self, path: Path, handle: Any) -> None:
        self._path, self._handle = path, handle
        self.names: tuple[str, ...] = tuple(handle.keys())
        self.metadata = json_object((handle.metadata() or {}).get(METADATA_KEY, "{}"), path)
        self.tied = self._verified(self.metadata.pop("tied", []))

    def tensor(self, name: str) -> Tensor:
        """That tensor, on CPU: a private map of the file. CheckpointError where torch has no such
        dtype."""
        try:
            found: Tensor = self._handle.get_tensor(name)
        except (safetensors.SafetensorError, AttributeError) as error:
            raise CheckpointError(
                f"{self._path}: tensor {name!r} can't be read ({error})"
            ) from error
        return found

    def _verified(self, groups: object) -> Ties:
        """`groups`, recorded as tied, after a look at their tensors, of which two are in use."""
        if not isinstance(groups, list) or not all(map(_is_group, groups)):
            raise CheckpointError(
                f'{self._path}: "tied" is {reprlib.repr(groups)} in its metadata; allowed: a list '
                "of lists of two or more names"
            )
        known = set(self.names)
        for name, times in Counter(name for group in groups for name in group).items():
            if name not in known:
                raise CheckpointError(f"{self._path}: {name!r} is recorded as tied, but missing")
            if times > 1:
                raise CheckpointError(f"{self._path}: {name!r} is recorded as tied {times} times")
        tied = _sorted(groups)
        for first, *others in tied:
            for other in others:
                if differing := _differing(self.tensor(first), self.tensor(other)):
                    raise CheckpointError(
                        f"{self._path}: tensors {first!r} and {other!r} are recorded as tied, but "
                        f"their {differing} differ"
                    )
        return tied


def json_object(text: str | bytes, path: Path) -> dict[str, Any]:
    """The JSON object that `text`, of the file `path`, holds; CheckpointError for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its metadata are not JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{path}: its metadata are {reprlib.repr(value)}; allowed: a JSON object"
        )
    return value


def as_bytes(tensor: Tensor) -> Tensor:
    """The bytes of a tensor on CPU in the default memory format, as uint8 [bytes]."""
    return tensor.contiguous().flatten().view(torch.uint8)


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over names, dtypes, shapes and bytes, in the order of the names.

    Equal weights have equal digests, whatever file, device or memory format they are in.
    """
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu()
        total.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        total.update(as_bytes(tensor).numpy().data)
    return total.hexdigest()


def _sorted(groups: Iterable[Iterable[str]]) -> Ties:
    return tuple(sorted(tuple(sorted(names)) for names in groups))


def _is_group(value: object) -> bool:
    return (
        isinstance(value, list) and len(value) > 1 and all(isinstance(name, str) for name in value)
    )


def _differing(one: Tensor, other: Tensor) -> str | None:
    if one.dtype != other.dtype:
        return "dtypes"
    if one.shape != other.shape:
        return "shapes"
    return None if torch.equal(as_bytes(one), as_bytes(other)) else "bytes"
