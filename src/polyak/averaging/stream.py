"""The mean of files of any size and number, with a block of one tensor in memory at a time.

    average_files(Path("mean.safetensors"), [Path("a.safetensors"), Path("b.pt")], weights=[1, 3])
    average_files(Path("mean"), [Path("step_1"), Path("step_2")], max_shard_size=2_000_000_000)

Each block is averaged by `mean.Mean`: the same additions in the same order, so the same bits.
"""

import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyak import files
from polyak.averaging.mean import Mean
from polyak.weights import checkpoint, foreign, streamed
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.foreign import Source, open_source
from polyak.weights.layout import Entry, common_layout

STALE = "to be refreshed"
"""In the metadata, under "batch_norm": the running statistics are not those of the weights."""

BLOCK = 1 << 20
"""Values that are averaged at a time: 8 MB in float64."""


def average_files(
    output: Path,
    paths: Sequence[Path],
    weights: Sequence[float] | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    max_shard_size: int | None = None,
    workers: int = 1,
) -> str | None:
    """Write the weighted mean (by default uniform) of `paths` to `output`, a safetensors file; with
    `max_shard_size` in bytes, to a directory of that name, as `streamed` plans it. Each of several
    `workers` is a process (started by spawning) that makes a share of the tensors.

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
        several = sum(weight > 0 for weight in given) > 1
        norms = [name for name in layout.averaged if name not in layout.weights]
        stale = norms[0] if several and norms else None
        described = {
            **(metadata or {}),
            **({"batch_norm": STALE} if stale else {}),
            "sources": [
                {"path": str(path), "sha256": files.sha256(foreign.read_by(path)), "weight": weight}
                for path, weight in zip(paths, given, strict=True)
            ],
        }
        planned = streamed.plan(
            layout.entries, layout.tied, described, max_shard_size, source=layout.source
        )
        one = max_shard_size is None
        with files.atomic(output) if one else files.atomic_directory(output) as temporary:
            parts = []
            for file in planned:
                target = temporary if one else temporary / file.name
                file.create(target)
                parts += [
                    _Part(target, place, layout.copies.get(name, name), layout.entries[name])
                    for name, place in file.places.items()
                ]
            if workers == 1:
                _make(parts, sources, paths, given)
            else:
                _make_in_processes(parts, paths, given, workers)
            if not one:
                streamed.write_index(temporary, planned)
    return stale


@dataclass(frozen=True)
class _Part:
    """A tensor to be made, and the file and place where it goes."""

    path: Path
    place: int
    name: str
    entry: Entry

    @property
    def size(self) -> int:
        return self.entry.shape.numel() * self.entry.dtype.itemsize


def _make(
    parts: Iterable[_Part], sources: Sequence[Source], paths: Sequence[Path], given: Sequence[float]
) -> None:
    for part in parts:
        with part.path.open("r+b") as file:
            file.seek(part.place)
            for start, stop in streamed.rows(part.entry, BLOCK):
                mean = Mean()
                for source, path, weight in zip(sources, paths, given, strict=True):
                    block = source.rows(part.name, start, stop)
                    mean.add(Checkpoint({part.name: block}), weight, source=str(path))
                file.write(_data(mean.result().tensors[part.name]))


def _make_in_processes(
    parts: Sequence[_Part], paths: Sequence[Path], given: Sequence[float], workers: int
) -> None:
    """Each process gets about as many bytes; where one fails, the others end with what they are
    at."""
    shares: list[list[_Part]] = [[] for _ in range(workers)]
    filled = [0] * workers
    for part in sorted(parts, key=lambda part: -part.size):
        least = filled.index(min(filled))
        shares[least].append(part)
        filled[least] += part.size
    threads = max(1, torch.get_num_threads() // workers)
    context = multiprocessing.get_context("spawn")  # torch's threads don't survive a fork
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        made = [
            pool.submit(_share, sorted(share, key=_in_file), paths, given, threads)
            for share in shares
            if share
        ]
        try:
            for one in made:
                one.result()
        except BrokenProcessPool:
            raise OSError(f"one of {workers} processes was ended; give fewer workers") from None


def _in_file(part: _Part) -> tuple[Path, int]:
    return part.path, part.place


def _share(
    parts: Sequence[_Part], paths: Sequence[Path], given: Sequence[float], threads: int
) -> None:
    torch.set_num_threads(threads)
    with ExitStack() as stack:
        _make(parts, [stack.enter_context(open_source(path)) for path in paths], paths, given)


def _data(tensor: Tensor) -> memoryview:
    return checkpoint.as_bytes(tensor).numpy().data
