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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights import recorded

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
    be written, TypeError for metadata that aren't JSON, CheckpointError for a name that no tensor
    can have in a file (`recorded.check_names`).
    """
    recorded.check_names(state, path)
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


def tensor(path: Path, name: str, dtype: torch.dtype, shape: Sequence[int | None]) -> Tensor:
    """The tensor `name` of a file written by `save`, of that dtype and shape; None: any length but
    0. Raises CheckpointError, naming what was found, for another, and as `opened` does."""
    with opened(path) as file:
        if name not in file.names:
            raise CheckpointError(f"{path}: has no tensor {name!r}; remove the file")
        found = file.tensor(name)
    fits = len(found.shape) == len(shape) and all(
        length == wanted or (wanted is None and length > 0)
        for length, wanted in zip(found.shape, shape, strict=True)
    )
    if found.dtype != dtype or not fits:
        sizes = ", ".join("any" if one is None else str(one) for one in shape)
        raise CheckpointError(
            f"{path}: tensor {name!r} is {found.dtype} {list(found.shape)}; "
            f"allowed: {dtype} [{sizes}]"
        )
    return found


@contextmanager
def opened(path: Path) -> Iterator["OpenFile"]:
    """Open a safetensors file, whose tensors are read when asked for.

    Raises CheckpointError, naming the file, where it is missing, is no intact safetensors file, has
    metadata under "polyak" that don't fit `recorded.Metadata`, a name that no tensor can have, or
    records as tied what isn't: names that are missing, or whose tensors differ in dtype, shape or
    any byte.
    """
    files.check_regular(path, CheckpointError)
    try:
        handle = safetensors.safe_open(path, framework="pt")
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not an intact safetensors file ({files.shown(str(error), 200)})"
        ) from error
    with handle, path.open("rb") as file:
        yield OpenFile(path, handle, file)


class OpenFile:
    """An open safetensors file, as `opened` makes it."""

    def __init__(self, path: Path, handle: Any, file: BinaryIO) -> None:
        self._path, self._handle, self._file = path, handle, file
        self.names: tuple[str, ...] = tuple(handle.keys())
        recorded.check_names(self.names, path)
        said = recorded.metadata((handle.metadata() or {}).get(METADATA_KEY, "{}"), path)
        self.metadata: dict[str, Any] = said.model_extra or {}
        self._header: tuple[int, dict[str, Any]] | None = None
        self.tied = self._verified(said.tied)

    def tensor(self, name: str) -> Tensor:
        """That tensor, on CPU: a private map of the file. CheckpointError where torch has no such
        dtype, or can't hold the shape."""
        try:
            found: Tensor = self._handle.get_tensor(name)
        except (safetensors.SafetensorError, AttributeError, TypeError, RuntimeError) as error:
            said = files.shown(str(error).partition("\n")[0], 200)
            raise CheckpointError(
                f"{self._path}: tensor {files.shown(name)} can't be read ({said})"
            ) from error
        return found

    outline = tensor

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """As `rows` of it, and a copy: of maps, all pages that were used would stay resident."""
        tensor = self.tensor(name)
        made = torch.empty_like(rows(tensor, start, stop))
        if made.numel():
            row = tensor.nbytes // (len(tensor) if tensor.dim() else 1)
            self._file.seek(self.begin(name) + (start * row if tensor.dim() else 0))
            found = self._file.readinto(made.view(-1).view(torch.uint8).numpy())  # type: ignore[attr-defined]
            if found != made.nbytes:
                raise CheckpointError(f"{self._path}: is shorter than it was; copy the file again")
        return made

    def begin(self, name: str) -> int:
        """Where its bytes begin in the file. safetensors has checked the header."""
        if self._header is None:
            self._file.seek(0)
            length = int.from_bytes(self._file.read(8), "little")
            self._header = length + 8, json.loads(self._file.read(length))
        begin, header = self._header
        return begin + int(header[name]["data_offsets"][0])

    def _verified(self, groups: Sequence[Sequence[str]]) -> Ties:
        """`groups`, recorded as tied, after a look at their tensors, of which two are in use."""
        known = set(self.names)
        for name, times in Counter(name for group in groups for name in group).items():
            if name not in known:
                raise CheckpointError(
                    f"{self._path}: {files.shown(name)} is recorded as tied, but missing"
                )
            if times > 1:
                raise CheckpointError(
                    f"{self._path}: {files.shown(name)} is recorded as tied {times} times"
                )
        tied = _sorted(groups)
        for first, *others in tied:
            for other in others:
                if differing := _differing(self.tensor(first), self.tensor(other)):
                    raise CheckpointError(
                        f"{self._path}: tensors {files.shown(first)} and {files.shown(other)} are "
                        f"recorded as tied, but their {differing} differ"
                    )
        return tied


def rows(tensor: Tensor, start: int, stop: int) -> Tensor:
    """The view `[start:stop]` of its first dimension; all of a tensor without dimensions."""
    return tensor[start:stop] if tensor.dim() else tensor


def as_bytes(tensor: Tensor) -> Tensor:
    """The bytes of a tensor on CPU in the default memory format, as uint8 [bytes]."""
    return tensor.contiguous().flatten().view(torch.uint8)


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over names, dtypes, shapes and bytes, in the order of the names.

    Equal weights have equal digests, whatever file, device or memory format they are in.
    """
    return digest_of(state, state.__getitem__)


def digest_of(names: Iterable[str], tensor: Callable[[str], Tensor]) -> str:
    """The same of tensors that are read when they are asked for, each once."""
    total = hashlib.sha256()
    for name in sorted(names):
        found = tensor(name).detach().cpu()
        total.update(json.dumps([name, str(found.dtype), list(found.shape)]).encode())
        total.update(as_bytes(found).numpy().data)
    return total.hexdigest()


def _sorted(groups: Iterable[Iterable[str]]) -> Ties:
    return tuple(sorted(tuple(sorted(names)) for names in groups))


def _differing(one: Tensor, other: Tensor) -> str | None:
    if one.dtype != other.dtype:
        return "dtypes"
    if one.shape != other.shape:
        return "shapes"
    return None if torch.equal(as_bytes(one), as_bytes(other)) else "bytes"
