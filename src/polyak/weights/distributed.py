"""Torch distributed checkpoints: a directory with .metadata and .distcp files, read tensor by
tensor.

    with distributed.opened(Path("step_100")) as source:
        source.tensor("layer.weight")

As `torch.distributed.checkpoint.save` writes it on any number of ranks, which need not be there to
read it. Optimizers and other values are left unread. Of what was saved, the model is found by the
keys that led to it.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights import dcp_metadata, sliced
from polyak.weights.checkpoint import Ties
from polyak.weights.dcp_metadata import Chunk, Described, Metadata
from polyak.weights.recorded import check_names

NAME = ".metadata"
_KEPT = 8
"""Maps of chunks that a source keeps: as many as a block of rows usually lies in."""


class Distributed:
    """The model in one such directory, as a `foreign.Source`.

    Raises CheckpointError, naming the file, where something is missing, or no model is found under
    one of the keys `nested`.
    """

    def __init__(self, directory: Path, nested: tuple[str, ...]) -> None:
        self._directory = directory
        path = directory / NAME
        files.check_regular(path, CheckpointError)
        self._described = _model(dcp_metadata.read(path), nested, path)
        check_names(self._described, path)
        self.names, self.tied = tuple(self._described), Ties()
        self.metadata: dict[str, Any] = {}
        self._maps: OrderedDict[Chunk, sliced.Bytes] = OrderedDict()
        self._check_files()

    def outline(self, name: str) -> Tensor:
        """A tensor of its dtype and shape, without values."""
        found = self._described[name]
        return torch.empty(found.shape, dtype=found.dtype, device="meta")

    def tensor(self, name: str) -> Tensor:
        """That tensor, on CPU, a copy of its own."""
        shape = self._described[name].shape
        return self.rows(name, 0, shape[0] if shape else 1)

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Its part `[start:stop]` in the first dimension, a copy on CPU; of one without dimensions,
        all."""
        found = self._described[name]
        sizes = (stop - start, *found.shape[1:]) if found.shape else ()
        made = torch.empty(sizes, dtype=found.dtype)
        if not made.numel():
            return made
        # As bytes, which any dtype has, and which need not be aligned in the file.
        values = made.view(-1).view(torch.uint8).numpy().reshape(*sizes, found.dtype.itemsize)
        for chunk in found.chunks:
            if not sizes:
                values[...] = self._map(chunk, found.dtype)
                continue
            first, last = chunk.offsets[0], chunk.offsets[0] + chunk.sizes[0]
            begin, end = max(start, first), min(stop, last)
            if begin < end:
                rest = zip(chunk.offsets[1:], chunk.sizes[1:], strict=True)
                box = (slice(begin - start, end - start), *(slice(o, o + s) for o, s in rest))
                values[box] = self._map(chunk, found.dtype)[begin - first : end - first]
        return made

    def _map(self, chunk: Chunk, dtype: torch.dtype) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        if chunk not in self._maps:
            while len(self._maps) >= _KEPT:
                self._maps.popitem(last=False)
            self._maps[chunk] = sliced.opened(
                self._directory / chunk.file,
                start=chunk.start,
                length=chunk.length,
                dtype=dtype,
                sizes=chunk.sizes,
            )
        return self._maps[chunk]

    def _check_files(self) -> None:
        """All are there, and large enough for the tensors that are said to be in them."""
        sizes: dict[str, int] = {}
        for name, found in self._described.items():
            for file in {chunk.file for chunk in found.chunks} - sizes.keys():
                if not files.is_regular(self._directory / file):
                    raise CheckpointError(
                        f"{self._directory}: there is no {files.shown(file)}, which has tensors; "
                        "copy all its files"
                    )
                sizes[file] = (self._directory / file).stat().st_size
            wanted = found.shape.numel() * found.dtype.itemsize
            if wanted > sum(sizes[file] for file in {chunk.file for chunk in found.chunks}):
                raise CheckpointError(
                    f"{self._directory / NAME}: tensor {files.shown(name)} has {wanted:,} bytes, "
                    "more than its files; copy the directory again"
                )


def _model(said: Metadata, nested: tuple[str, ...], path: Path) -> dict[str, Described]:
    """The tensors of the model, by their names in it: all that was saved where that is a state
    dict; what is under one of the keys; what is under one of them, within one other key (as of an
    application's state); else tensors beside nested values, where they are named like a module's.
    """
    under: dict[tuple[str, ...], dict[str, str]] = {}
    for name, keys in said.keys.items():
        for depth in range(min(3, len(keys))):
            under.setdefault(keys[:depth], {})[name] = ".".join(keys[depth:])
    flat = {name: one for name, one in under.get((), {}).items() if len(said.keys[name]) == 1}
    candidates = [(), *((key,) for key in nested)]
    candidates += [found for key in nested for found in under if found[1:] == (key,)]
    for place in candidates:
        names = under.get(place, {})
        direct = all(len(said.keys[name]) == len(place) + 1 for name in names)
        if names and direct and names.keys() <= said.tensors.keys():
            return {short: said.tensors[name] for name, short in names.items()}
    tensors = {short: said.tensors[name] for name, short in flat.items() if name in said.tensors}
    if any("." in name for name in tensors):
        return tensors
    shown = [files.shown(".".join(place)) for place in list(under)[1:11]]
    raise CheckpointError(
        f"{path}: no state dict is in it, nor under {', '.join(nested)}; it has "
        f"{', '.join(shown) or 'nothing'}"
    )
