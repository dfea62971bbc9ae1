"""torch.save's files, looked at before and after torch reads them: nothing runs, nothing is
allocated that isn't there, and nothing is believed that torch doesn't check.

    read(Path("model.pt"))    # whatever it holds, of tensors, containers and plain values

torch refuses to call what isn't of its own list. It doesn't see that a record is compressed, and
reads its bytes as they are; its list has bytearray, which allocates what 100 bytes of a file ask
for; and a tensor may claim to have more values than the file.
"""

import mmap
import os
import pickletools
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights.recorded import check_names

_MODULES = (
    *("torch", "torch.cuda", "torch._utils", "torch._tensor", "torch.nn.parameter"),
    *("torch.serialization", "torch.storage", "collections"),
)
"""Whose names may be in a file: parts of tensors, and dtypes. torch checks further."""

_NOT = ("Tensor", "_rebuild_nested_tensor")
"""Ends of names of theirs that take memory as it is, and whatever is in it, for sizes or values."""

_BUILTINS = ("__builtin__ complex", "__builtin__ set", "builtins complex", "builtins set")
_ADVICE = "save the weights alone: torch.save(model.state_dict(), path)"
_OLD = 5
"""Pickles that torch's format of before version 1.6 begins with: numbers, the content, its keys."""


def read(path: Path) -> Any:
    """The content of a file, its tensors mapped from it where the format allows.

    Raises CheckpointError, naming the file, where it is corrupted, compressed, or holds anything
    that isn't data, such as a whole module.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
        records = _sizes(checked_zip(file, path)) if zipped else _checked_pickles(path)
    try:
        # Of before torch 1.6, a file can't be mapped.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # torch raises many kinds
        said = files.shown(str(error).splitlines()[0], 200) if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: torch can't read it ({said}); {_ADVICE}") from None
    if zipped:
        _check_there(path, _storages(content), records)
    return content


def state(content: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict that is in the file `path`, as plain ones.

    Raises CheckpointError for a tensor that isn't dense, or whose shape has more values than the
    file has for it (an expanded or overlapping view).
    """
    check_names(content, path)
    return {
        name: _dense(tensor, f"{path}: tensor {files.shown(name)}")
        for name, tensor in content.items()
    }


def _dense(tensor: Tensor, what: str) -> Tensor:
    kinds = {
        "quantized": tensor.is_quantized,
        f"{tensor.layout} on {tensor.device}": tensor.layout != torch.strided or tensor.is_meta,
        "a lazy conjugate": tensor.is_conj() or tensor.is_neg(),
    }
    if wrong := [kind for kind, true in kinds.items() if true]:
        raise CheckpointError(f"{what} is {wrong[0]}; allowed: dense tensors with values")
    # Not by the tensor's own methods, which attributes in the file may hide.
    plain = Tensor.detach(tensor).as_subclass(Tensor)
    count, there = plain.numel(), plain.untyped_storage().nbytes() // plain.itemsize
    if count > there:
        raise CheckpointError(
            f"{what} has {count:,} values by its shape {list(plain.shape)}, and {there:,} in the "
            "file; save tensors that are no expanded or overlapping views: tensor.contiguous()"
        )
    return plain


def checked_zip(file: BinaryIO, path: Path) -> list[zipfile.ZipInfo]:
    """The records of a file of torch.save, open as `file` and named `path` in errors.

    Raises CheckpointError for records that are compressed, cut off, or there twice, and for a
    pickle that would call anything that makes no tensor.
    """
    size = file.seek(0, os.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
            names = Counter(record.filename.lower() for record in records)
            for record in records:
                name = files.shown(record.filename)
                if record.compress_type != zipfile.ZIP_STORED or record.flag_bits & 1:
                    raise CheckpointError(f"{path}: record {name} is compressed; {_ADVICE}")
                if record.header_offset + record.file_size > size:
                    raise CheckpointError(f"{path}: record {name} is cut off; copy the file again")
                if names[record.filename.lower()] > 1:
                    raise CheckpointError(f"{path}: record {name} is there twice; {_ADVICE}")
                if record.filename.lower().endswith(".pkl"):
                    _check_pickle(content_of(file, record), path)
    except (OSError, zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise CheckpointError(
            f"{path}: not an intact file ({files.shown(str(error), 200)})"
        ) from None
    return records


def _sizes(records: Iterable[zipfile.ZipInfo]) -> Counter[int]:
    """How many records of each size, in bytes, there are for tensors."""
    return Counter(record.file_size for record in records if "/data/" in record.filename)


def begin(file: BinaryIO, record: zipfile.ZipInfo) -> int:
    """Where the bytes of a record begin; `file` is there then. Raises struct.error where the file
    ends before."""
    file.seek(record.header_offset + 26)
    return file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)


def content_of(file: BinaryIO, record: zipfile.ZipInfo) -> bytes:
    """As torch reads it: zipfile would insist on a checksum, which torch may leave out."""
    begin(file, record)
    return file.read(record.file_size)


def _checked_pickles(path: Path) -> Counter[int]:
    if not path.stat().st_size:
        raise CheckpointError(f"{path}: is empty; copy the file again")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for _ in range(_OLD):
            _check_pickle(mapped, path)
    return Counter()


def _check_pickle(pickle: Any, path: Path) -> None:
    """Raise CheckpointError where a pickle would call anything that makes no tensor."""
    try:
        for code, argument, _ in pickletools.genops(pickle):
            if code.name in ("GLOBAL", "INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
                named = str(argument or "")
                module, _, name = named.partition(" ")
                ours = module in _MODULES and not name.endswith(_NOT)
                if not ours and named not in _BUILTINS:
                    raise CheckpointError(
                        f"{path}: holds {files.shown(named.replace(' ', '.') or code.name)}, which "
                        f"is no plain tensor; none of it was run; {_ADVICE}"
                    )
    except (ValueError, UnicodeError, OverflowError, MemoryError) as error:
        raise CheckpointError(
            f"{path}: no file of torch, or cut off ({files.shown(str(error), 200)})"
        ) from None


def _storages(content: Any) -> Iterable[Tensor]:
    """The tensors anywhere in a content, found without recursion."""
    waiting, seen = [content], set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, dict | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))
            waiting += [*value.keys(), *value.values()] if isinstance(value, dict) else value


def _check_there(path: Path, tensors: Iterable[Tensor], records: Counter[int]) -> None:
    """Raise CheckpointError where a tensor's memory is no whole record of the file."""
    for tensor in tensors:
        if tensor.layout != torch.strided or tensor.is_meta:
            continue
        size = Tensor.untyped_storage(tensor).nbytes()
        if size and not records[size]:
            raise CheckpointError(
                f"{path}: a tensor claims {size:,} bytes, and no record of the file has as many; "
                "copy the file again"
            )
