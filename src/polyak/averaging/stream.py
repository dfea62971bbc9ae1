"""The mean of files of any size and number, with one tensor in memory at a time.

    average_files(Path("mean.safetensors"), [Path("a.safetensors"), Path("b.pt")], weights=[1, 3])

Each tensor is averaged by `mean.Mean`: the same additions in the same order, so the same bits.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from polyak import files
from polyak.averaging.mean import Mean
from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.foreign import Source, open_source
from polyak.weights.layout import Layout, common_layout

# safetensors' names of torch's dtypes (https://github.com/huggingface/safetensors#format).
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


STALE = "to be refreshed"
"""In the metadata, under "batch_norm": the running statistics are not those of the weights."""


def average_files(
    output: Path,
    paths: Sequence[Path],
    weights: Sequence[float] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> str | None:
    """Write the weighted mean (by default uniform) of `paths` to `output`, a safetensors file.

    Its metadata (JSON under "polyak") are `metadata`, and "sources": the path, the SHA-256 of the
    bytes and the weight of each file; for sharded files, of their index. Running statistics of
    batch norm are averaged like weights, since only images give the average's own: then the
    metadata have "batch_norm": "to be refreshed", and the name of the first one is returned.

    Raises CheckpointError naming file and tensor where names, shapes, dtypes (mixed precision
    among them) or ties differ or a value is not finite, ValueError for weights that don't fit, and
    FileExistsError where `output` exists. Nothing is written then.
    """
    if output.exists():
        raise FileExistsError(f"{output}: exists already; name another file, or remove it")
    if not paths:
        raise ValueError("an average needs at least one file")
    given = [1.0] * len(paths) if weights is None else list(weights)
    if len(given) != len(paths):
        raise ValueError(f"{len(given)} weights for {len(paths)} files")
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(path)) for path in paths]
        layout = common_layout(sources, paths)
        copies = layout.copies
        several = sum(weight > 0 for weight in given) > 1
        norms = [name for name in layout.averaged if name not in layout.weights]
        stale = norms[0] if several and norms else None
        described = {
            **(metadata or {}),
            **({"batch_norm": STALE} if stale else {}),
            "tied": layout.tied,
            "sources": [
                {"path": str(path), "sha256": files.sha256(path), "weight": weight}
                for path, weight in zip(paths, given, strict=True)
            ],
        }
        order = [*(name for name in layout.entries if name not in copies), *copies]
        with files.atomic(output) as temporary, temporary.open("wb") as file:
            _write_header(file, order, layout, described)
            for name in order:
                _write(file, _mean(copies.get(name, name), sources, paths, given))
            file.flush()
            os.fsync(file.fileno())
    return stale


def _mean(
    name: str, sources: Sequence[Source], paths: Sequence[Path], weights: Sequence[float]
) -> Tensor:
    mean = Mean()
    for source, path, weight in zip(sources, paths, weights, strict=True):
        mean.add(Checkpoint({name: source.tensor(name)}), weight, source=str(path))
    return mean.result().tensors[name]


def _write_header(
    file: BinaryIO, order: Sequence[str], layout: Layout, metadata: Mapping[str, Any]
) -> None:
    """safetensors' header: 8 bytes of length, then JSON padded to a multiple of 8."""
    text = json.dumps(metadata, sort_keys=True)
    header: dict[str, Any] = {"__metadata__": {checkpoint.METADATA_KEY: text}}
    place = 0
    for name in order:
        dtype, shape = layout.entries[name]
        if dtype not in DTYPES:
            raise CheckpointError(
                f"{layout.source}: tensor {name!r} is {dtype}; allowed: "
                f"{', '.join(map(str, DTYPES))}"
            )
        size = shape.numel() * dtype.itemsize
        header[name] = {
            "dtype": DTYPES[dtype],
            "shape": list(shape),
            "data_offsets": [place, place + size],
        }
        place += size
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    file.write(len(encoded).to_bytes(8, "little") + encoded)


def _write(file: BinaryIO, tensor: Tensor) -> None:
    file.write(checkpoint.as_bytes(tensor).numpy().data)
