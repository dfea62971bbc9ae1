"""Files of safetensors that are written tensor by tensor, one or several with their index.

    planned = streamed.plan(layout.entries, layout.tied, {}, limit=2_000_000_000)
    for file in planned:                        # model-00001-of-00003.safetensors ...
        file.create(folder / file.name)         # then each tensor's bytes, at file.places[name]
    streamed.write_index(folder, planned)

Several are in the layout of Hugging Face's libraries. Entries that are one tensor are in one file,
which records that they are.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights import checkpoint, recorded
from polyak.weights.checkpoint import Ties
from polyak.weights.foreign import INDEX
from polyak.weights.layout import Entry

DTYPES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""safetensors' names of torch's dtypes (https://github.com/huggingface/safetensors#format), in the
order in which it writes them."""


@dataclass(frozen=True)
class Planned:
    """A file to be: its name, its header, the first byte of each tensor, and its size in bytes."""

    name: str
    header: bytes
    places: dict[str, int]
    size: int

    def create(self, path: Path) -> None:
        """Write the header, and make the file as long as it will be."""
        with path.open("wb") as file:
            file.write(self.header)
            file.truncate(self.size)


def plan(
    entries: Mapping[str, Entry],
    tied: Ties,
    metadata: Mapping[str, Any],
    limit: int | None = None,
    *,
    source: str = "the model",
) -> list[Planned]:
    """The files for those tensors, with these metadata (JSON) in each: one, or as many as are
    needed for none to have more than `limit` bytes of tensors, but for one tensor that has more.

    Raises CheckpointError, naming `source`, for a dtype that isn't in `DTYPES`.
    """
    copies = {name: first for first, *others in tied for name in others}
    if limit is None:
        order = [*(name for name in entries if name not in copies), *copies]
        return [_planned("model.safetensors", order, entries, tied, metadata, source)]
    shards, room = list[list[str]](), 0
    for name in entries:
        if name in copies:
            continue
        group = next((group for group in tied if group[0] == name), (name,))
        size = sum(_bytes(entries[one]) for one in group)
        if not shards or size > room:
            shards.append([])
            room = limit
        shards[-1] += group
        room -= size
    count, more = len(shards), {**metadata}
    names = [f"model-{place:05d}-of-{count:05d}.safetensors" for place in range(1, count + 1)]
    return [
        _planned(
            name if count > 1 else "model.safetensors",
            shard,
            entries,
            tied,
            more,
            source,
            # Hugging Face's libraries refuse a file that doesn't say so.
            {"format": "pt"},
        )
        for name, shard in zip(names, shards, strict=True)
    ]


def write_index(directory: Path, planned: Sequence[Planned]) -> None:
    """Write the index of several files beside them; of a single one, there is none."""
    if len(planned) > 1:
        total = sum(file.size - len(file.header) for file in planned)
        places = {name: file.name for file in planned for name in file.places}
        found = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        files.write_json(directory / INDEX, found)


def write(
    path: Path,
    entries: Mapping[str, Entry],
    tensors: Iterable[tuple[str, Tensor]],
    tied: Ties = (),
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write what `checkpoint.save` writes of the same tensors, to the byte, with one of them in
    memory at a time: `tensors` are those of `ordered(entries)`, in this order.

    Raises as `checkpoint.save` does, and ValueError for a tensor that isn't the next one.
    """
    recorded.check_names(entries, path)
    order = ordered(entries)
    planned = _planned(path.name, order, entries, tied, metadata or {}, str(path))
    with files.atomic(path, read_only=True) as temporary, temporary.open("wb") as file:
        file.write(planned.header)
        for name, (given, tensor) in zip(order, tensors, strict=True):
            entry = Entry(tensor.dtype, tensor.shape)
            if (given, entry) != (name, entries[name]):
                raise ValueError(f"{given!r} is {entry}; allowed: {name!r}, {entries[name]}")
            file.write(checkpoint.as_bytes(tensor.detach().cpu()).numpy().data)


def ordered(entries: Mapping[str, Entry]) -> list[str]:
    """The names in the order in which safetensors writes them: by dtype, then by name."""
    known = {dtype: place for place, dtype in enumerate(DTYPES)}
    return sorted(
        entries, key=lambda name: (known.get(entries[name].dtype, len(known)), name.encode())
    )


def rows(entry: Entry, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of a tensor's first dimension, of about `most` values, and of at least one row."""
    count = entry.shape[0] if entry.shape else 1
    if entry.shape.numel():
        step = max(1, most * count // entry.shape.numel())
        for start in range(0, count, step):
            yield start, min(start + step, count)


def _bytes(entry: Entry) -> int:
    return entry.shape.numel() * entry.dtype.itemsize


def _planned(
    file: str,
    order: Sequence[str],
    entries: Mapping[str, Entry],
    tied: Ties,
    metadata: Mapping[str, Any],
    source: str,
    more: Mapping[str, str] | None = None,
) -> Planned:
    """safetensors' header: 8 bytes of length, then JSON padded to a multiple of 8."""
    here = set(order)
    said = {**metadata, "tied": [group for group in tied if here.issuperset(group)]}
    text = json.dumps(said, sort_keys=True)
    header: dict[str, Any] = {"__metadata__": {checkpoint.METADATA_KEY: text, **(more or {})}}
    places, place = dict[str, int](), 0
    for name in order:
        entry = entries[name]
        if entry.dtype not in DTYPES:
            raise CheckpointError(
                f"{source}: tensor {files.shown(name)} is {entry.dtype}; allowed: "
                f"{', '.join(map(str, DTYPES))}"
            )
        places[name] = place
        header[name] = {
            "dtype": DTYPES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [place, place + _bytes(entry)],
        }
        place += _bytes(entry)
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    encoded = len(encoded).to_bytes(8, "little") + encoded
    begin = len(encoded)
    return Planned(file, encoded, {name: begin + at for name, at in places.items()}, begin + place)
