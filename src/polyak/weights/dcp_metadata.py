"""What the .metadata of a torch distributed checkpoint says: the chunks of each tensor, checked.

    found = dcp_metadata.read(Path("step_100/.metadata"))
    found.tensors["model.layer.weight"].chunks[0].file      # "__0_0.distcp"

`torch.distributed.checkpoint` pickles it, and would run what is in it; here, it becomes inert
values (`inert`), of which only tensors' descriptions are taken, each against its own check.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import torch

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights import inert

LARGEST = 100_000_000
"""Bytes of it, as for an index of shards."""

MOST = 64
"""Dimensions of a tensor, as torch has them, and keys that lead to one."""

MOST_BOXES = 4_096
"""Chunks of a tensor that is cut along several dimensions: each is compared with each."""

_METADATA = "torch.distributed.checkpoint.metadata"
_OLD = "torch.distributed._shard.sharded_tensor.metadata"  # before torch 2.2
_INFO = "torch.distributed.checkpoint.filesystem._StorageInfo"
_DTYPES = {
    str(one): one
    for one in vars(torch).values()
    if isinstance(one, torch.dtype) and not one.is_complex
}
_ALLOWED = frozenset(
    [
        *(f"{_METADATA}.{name}" for name in ("Metadata", "MetadataIndex", "StorageMeta")),
        *(f"{_METADATA}.{kind}StorageMetadata" for kind in ("Tensor", "Bytes", "Chunk")),
        *(f"{_METADATA}.{name}" for name in ("TensorProperties", "_MEM_FORMAT_ENCODING")),
        *(f"{_OLD}.{name}" for name in ("TensorProperties", "MEM_FORMAT_ENCODING")),
        *(_INFO, "torch.Size", "torch.serialization._get_layout", *_DTYPES),
        *("torch.complex64", "torch.complex128", "torch.complex32"),
        *("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath"),
        *("pathlib._local.WindowsPath", "builtins.getattr", "collections.OrderedDict"),
    ]
)
"""Of these none is looked up: what is made of them is checked field by field, or ignored."""

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Chunk:
    """A box of a tensor, and the bytes of a file beside the metadata that torch.save wrote it to.
    A box without values may have none: then `file` is empty."""

    offsets: Sizes
    sizes: Sizes
    file: str
    start: int
    length: int


@dataclass(frozen=True)
class Described:
    """A tensor whose chunks fill it, and don't overlap."""

    dtype: torch.dtype
    shape: torch.Size
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True)
class Metadata:
    """By its name in the file, each tensor, and the keys that lead to each value in what was saved;
    `tensors` are a part of `keys`."""

    tensors: dict[str, Described] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read(path: Path) -> Metadata:
    """What the file says. Raises CheckpointError, naming it and the tensor, for what is no such
    file, or contradicts itself."""
    size = path.stat().st_size
    if size > LARGEST:
        raise CheckpointError(f"{path}: has {size:,} bytes; allowed: at most {LARGEST:,}")
    whole = inert.read(path.read_bytes(), path, _ALLOWED)
    try:
        state = _fields(whole, f"{_METADATA}.Metadata")
        stored = _stored(_mapping(state.get("storage_data")))
        described = _mapping(state.get("state_dict_metadata"))
        paths = state.get("planner_data")
        paths = paths if isinstance(paths, dict) else {}
        found, left = Metadata(), size // 16
        for name, value in described.items():
            if not isinstance(name, str):
                raise ValueError("a name is no text")
            found.keys[name] = _keys(paths.get(name, (name,)))
            if isinstance(value, inert.Made) and value.name.endswith(".TensorStorageMetadata"):
                try:
                    state = _fields(value, f"{_METADATA}.TensorStorageMetadata")
                    chunks = state.get("chunks")
                    left -= len(chunks) if isinstance(chunks, list) else 0
                    if left < 0:  # one list that many tensors share
                        raise ValueError("it has more chunks than the file has bytes for")
                    found.tensors[name] = _tensor(state, stored.get(name, {}))
                except ValueError as error:
                    raise ValueError(f"tensor {files.shown(name)}: {error}") from None
    except ValueError as error:
        raise CheckpointError(
            f"{path}: is no intact metadata of torch.distributed.checkpoint ({error}); copy the "
            "directory again"
        ) from None
    return found


def _fields(value: Any, kind: str) -> dict[Any, Any]:
    if not (isinstance(value, inert.Made) and value.name == kind and isinstance(value.state, dict)):
        raise ValueError(f"there is no {kind.rpartition('.')[2]} where it has to be")
    return value.state


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError("a mapping is missing")
    return value


def _keys(value: Any) -> tuple[str, ...]:
    fits = isinstance(value, tuple) and 0 < len(value) <= MOST
    if fits and all(isinstance(key, str | int) for key in value):
        return tuple(map(str, value))
    raise ValueError("the keys of a value are no texts or numbers")


def _size(value: Any) -> Sizes:
    """torch.Size(...) of whole numbers from 0 that torch can count."""
    if isinstance(value, inert.Made) and value.name == "torch.Size" and len(value.arguments) < 2:
        (found,) = value.arguments or ((),)
        if isinstance(found, tuple | list) and len(found) <= MOST and all(map(_is_count, found)):
            return tuple(found)
    raise ValueError(f"a size is {files.shown(value)}; allowed: torch.Size of whole numbers from 0")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _stored(data: Mapping[Any, Any]) -> dict[str, dict[Sizes, tuple[str, int, int]]]:
    """By name and offsets: the file, and the first byte and number of bytes in it."""
    found: dict[str, dict[Sizes, tuple[str, int, int]]] = {}
    for key, value in data.items():
        index = _fields(key, f"{_METADATA}.MetadataIndex")
        if index.get("offset") is None:  # of a value that is no tensor
            continue
        info = _fields(value, _INFO)
        name, file = index.get("fqn"), info.get("relative_path")
        start, length = info.get("offset", -1), info.get("length", -1)
        if not (isinstance(name, str) and isinstance(file, str)):
            raise ValueError("a tensor's place has no name or no file")
        if not (_is_count(start) and _is_count(length)) or Path(file).name != file:
            raise ValueError(f"tensor {files.shown(name)}: its place is no part of a file beside")
        if info.get("transform_descriptors"):
            raise ValueError(f"tensor {files.shown(name)}: is compressed; allowed: as it is")
        found.setdefault(name, {})[_size(index["offset"])] = (file, start, length)
    return found


def _tensor(state: Mapping[Any, Any], stored: Mapping[Sizes, tuple[str, int, int]]) -> Described:
    shape = _size(state.get("size"))
    if prod(shape) >= 2**63:
        raise ValueError(f"its shape is {files.shown(list(shape))}")
    chunks: dict[Sizes, Chunk] = {}
    for one in state["chunks"] if isinstance(state.get("chunks"), list) else ():
        box = _fields(one, f"{_METADATA}.ChunkStorageMetadata")
        offsets, sizes = _size(box.get("offsets")), _size(box.get("sizes"))
        if len(offsets) != len(shape) or len(sizes) != len(shape):
            raise ValueError("a chunk has other dimensions than the tensor")
        if any(o + s > whole for o, s, whole in zip(offsets, sizes, shape, strict=True)):
            raise ValueError(f"its chunk at {list(offsets)} is larger than the tensor")
        if prod(sizes) == 0:  # a rank's part where there are fewer rows than ranks
            continue
        if offsets not in stored:
            raise ValueError(f"its chunk at {list(offsets)} is in no file")
        chunk = Chunk(offsets, sizes, *stored[offsets])
        if chunks.setdefault(offsets, chunk) != chunk:
            raise ValueError(f"it has two chunks at {list(offsets)}")
    found = tuple(chunks[offsets] for offsets in sorted(chunks))
    if sum(prod(chunk.sizes) for chunk in found) != prod(shape) or not _apart(found):
        raise ValueError(f"its chunks don't fill {files.shown(list(shape))} once")
    return Described(_dtype(state.get("properties")), torch.Size(shape), found)


def _dtype(properties: Any) -> torch.dtype:
    state = properties.state if isinstance(properties, inert.Made) else None
    first = state[0] if isinstance(state, tuple) and state else None
    if not (isinstance(first, inert.Named) and first.name in _DTYPES):
        raise ValueError("its dtype is none that is real")
    return _DTYPES[first.name]


def _apart(chunks: Sequence[Chunk]) -> bool:
    """Whether no two overlap; `chunks` are sorted by their offsets."""
    rows = [(chunk.offsets[:1], chunk.sizes[:1]) for chunk in chunks]
    if all(o + s <= p for ((o,), (s,)), ((p,), _) in pairwise(rows) if rows[0][0]):
        return True  # cut along the first dimension alone, as FSDP does
    if len(chunks) > MOST_BOXES:
        return False
    corners = torch.tensor([chunk.offsets for chunk in chunks])
    ends = corners + torch.tensor([chunk.sizes for chunk in chunks])
    return not any(
        bool(((corners[n:] < end) & (corner < ends[n:])).all(dim=1).any())
        for n, (corner, end) in enumerate(zip(corners, ends, strict=True), start=1)
    )
