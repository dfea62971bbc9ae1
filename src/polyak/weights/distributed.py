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
"""Chunks that a source has looked at and keeps open: as many as rows usually lie in."""


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
        self._slices: OrderedDict[Chunk, sliced.Slice] = OrderedDict()
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
        shape = found.shape or torch.Size([1])
        sizes = (stop - start, *shape[1:])
        made = torch.empty(sizes, dtype=found.dtype)
        if not made.numel():
            return made
        # As bytes, which any dtype has, and which need not be aligned in the file.
        values = made.view(-1).view(torch.uint8).numpy().reshape(*sizes, found.dtype.itemsize)
        for chunk in found.chunks:
            (offset, *offsets), (size, *rest) = chunk.offsets or (0,), chunk.sizes or (1,)
            begin, end = max(start, offset), min(stop, offset + size)
            if begin < end:
                box = (slice(o, o + s) for o, s in zip(offsets, rest, strict=True))
                part = self._slice(chunk, found.dtype).rows(begin - offset, end - offset)
                values[(slice(begin - start, end - start), *box)] = part
        return made if found.shape else made[0]

    def _slice(self, chunk: Chunk, dtype: torch.dtype) -> sliced.Slice:
        if chunk not in self._slices:
            while len(self._slices) >= _KEPT:
                self._slices.popitem(last=False)
            self._slices[chunk] = sliced.opened(
                self._directory / chunk.file,
                start=chunk.start,
                length=chunk.length,
                dtype=dtype,
                sizes=chunk.sizes,
            )
        return self._slices[chunk]

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
    for wanted in [(), *((key,) for key in nested), *((None, key) for key in nested)]:
        places = [
            place
            for place in under
            if len(place) == len(wanted)
            and place[-1:] == wanted[-1:]
            and under[place].keys() <= said.tensors.keys()
            and all(len(said.keys[name]) == len(place) + 1 for name in under[place])
        ]
        if len(places) > 1:
            several = ", ".join(files.shown(".".join(place)) for place in places[:10])
            raise CheckpointError(f"{path}: has several models: {several}; save one of them alone")
        if places:
            return {short: said.tensors[name] for name, short in under[places[0]].items()}
    tensors = {short: said.tensors[name] for name, short in flat.items() if name in said.tensors}
    if any("." in name for name in tensors):
        return tensors
    shown = [files.shown(".".join(place)) for place in list(under)[1:11]]
    raise CheckpointError(
        f"{path}: no state dict is in it, nor under {', '.join(nested)}; it has "
        f"{', '.join(shown) or 'nothing'}"
    )
