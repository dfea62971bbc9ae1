"""A tensor that torch.save wrote somewhere within a file, as the parts of distributed checkpoints.

    found = sliced.opened(path, start=1577, length=1577, dtype=torch.float32, sizes=(5, 3))
    found.rows(1, 3)        # their bytes, uint8 [2, 3, 4]

It is looked at as `pickled` looks at a whole file; values are read when they are asked for.
"""

import io
import math
import os
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights import checkpoint, pickled

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Slice:
    """Where the values of a tensor lie in a file, row by row; or the values, where they lie in
    another order, as in channels last."""

    path: Path
    begin: int
    shape: tuple[int, ...]
    """Of its bytes: the tensor's, and the bytes of a value."""

    values: Bytes | None = None

    def rows(self, start: int, stop: int) -> Bytes:
        """The bytes of `[start:stop]` of the first dimension; of a tensor without dimensions, of
        0 to 1. Raises CheckpointError where the file is shorter than it was."""
        if self.values is not None:
            return self.values[start:stop]
        shape = (stop - start, *self.shape[1:])
        row, count = math.prod(self.shape[1:]), math.prod(shape)
        found = np.fromfile(self.path, np.uint8, count, offset=self.begin + start * row)
        if found.size < count:
            raise CheckpointError(f"{self.path}: is shorter than it was; copy the file again")
        return found.reshape(shape)


class _Part(io.RawIOBase):
    """The bytes from `start` of an open file, as a file of `length` bytes."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file, self._start, self._length, self._place = file, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError(f"a place {base + offset} before the beginning")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer).cast("B")[: max(0, self._length - self._place)]
        self._file.seek(self._start + self._place)
        count = self._file.readinto(wanted)  # type: ignore[attr-defined]
        self._place += count
        return int(count)


def opened(
    path: Path, *, start: int, length: int, dtype: torch.dtype, sizes: Sequence[int]
) -> Slice:
    """The tensor that is there.

    Raises CheckpointError, naming the file and the place in it, for anything but a dense tensor of
    that dtype and those sizes.
    """
    what = f"{path}: the tensor at byte {start:,}"
    with path.open("rb") as file:
        if start + length > file.seek(0, os.SEEK_END):
            raise CheckpointError(f"{what} is cut off; copy the file again")
        part = cast(BinaryIO, _Part(file, start, length))
        records = pickled.checked_zip(part, path)
        found = _loaded(part, "meta", what)
        if found.dtype != dtype or found.shape != torch.Size(sizes):
            raise CheckpointError(
                f"{what} is {found.dtype} {files.shown(list(found.shape))}, but {dtype} "
                f"{list(sizes)} in .metadata; copy the directory again"
            )
        size = found.numel() * found.itemsize
        held = [one for one in records if "/data/" in one.filename and one.file_size >= size]
        if len(held) != 1 or held[0].file_size != size or found.storage_offset():
            raise CheckpointError(f"{what} has other bytes than its {size:,}; copy the file again")
        try:
            begin = pickled.begin(part, held[0])
            orders = [one for one in records if one.filename.endswith("/byteorder")]
            order = pickled.content_of(part, orders[0]) if orders else b"little"
        except (struct.error, ValueError):
            raise CheckpointError(f"{what} is cut off; copy the file again") from None
        if begin + size > length:
            raise CheckpointError(f"{what} is cut off; copy the file again")
        shape = (*(sizes or (1,)), dtype.itemsize)
        if found.is_contiguous() and order == sys.byteorder.encode():
            return Slice(path, start + begin, shape)
        loaded = pickled.state({str(start): _loaded(part, "cpu", what)}, path)[str(start)]
    return Slice(path, 0, shape, checkpoint.as_bytes(loaded).numpy().reshape(shape))


def _loaded(part: BinaryIO, device: str, what: str) -> Tensor:
    """A tensor as torch reads it; on "meta", without its values."""
    part.seek(0)
    try:
        found = torch.load(part, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds
        said = files.shown(str(error).splitlines()[0], 200) if str(error) else type(error).__name__
        raise CheckpointError(f"{what} can't be read ({said}); copy the file again") from None
    if not isinstance(found, Tensor) or found.layout != torch.strided or found.is_quantized:
        raise CheckpointError(f"{what} is no dense tensor; save plain tensors")
    return Tensor.detach(found).as_subclass(Tensor)
