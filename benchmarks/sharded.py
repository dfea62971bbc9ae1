"""Memory and time of averaging sharded checkpoints of a large model.

    python -m benchmarks.sharded                        10 of 1 GB, each in shards of 250 MB
    python -m benchmarks.sharded --kind dcp --workers 2
    python -m benchmarks.sharded --count 3 --output dcp
    python -m benchmarks.sharded --block 1000000000     whole tensors at a time

The checkpoints are synthetic, distinct and below --folder (a temporary folder, removed at the end;
they take --count + 1 GB, and 1 GB more for --output dcp). Memory is that of the process and its
children together: all that is resident has pages of the mapped files, counted once per process.
"""

import argparse
import tempfile
import warnings
from functools import partial
from pathlib import Path

import torch

from benchmarks.measure import Memory, apart, in_turns, watched
from polyak import allocator
from polyak.averaging import stream
from polyak.averaging.distributed import average_to_distributed
from polyak.weights import streamed
from polyak.weights.layout import Entry

SHARD = 250_000_000
SYSTEM = {allocator.SWITCH: "system"}
KINDS = ("safetensors", "dcp")


def shapes(layers: int) -> dict[str, tuple[int, ...]]:
    """Those of a transformer of width 1024; with 16 layers 253 million values, 1.01 GB."""
    layer = {
        "attention.qkv.weight": (3072, 1024),
        "attention.out.weight": (1024, 1024),
        "up.weight": (4096, 1024),
        "down.weight": (1024, 4096),
        "norm.weight": (1024,),
    }
    found: dict[str, tuple[int, ...]] = {"embedding.weight": (50_257, 1024)}
    return found | {f"layers.{i}.{name}": layer[name] for i in range(layers) for name in layer}


def write(target: Path, layers: int, seed: int, kind: str) -> None:
    """One checkpoint of random float32 values."""
    generator = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(shape, generator=generator) for name, shape in shapes(layers).items()}
    target.mkdir()
    if kind == "dcp":
        from torch.distributed.checkpoint.state_dict_saver import save

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is one process
            save({"model": made}, checkpoint_id=target)
        return
    entries = {name: Entry(tensor.dtype, tensor.shape) for name, tensor in made.items()}
    planned = streamed.plan(entries, (), {}, SHARD)
    for shard in planned:
        shard.create(target / shard.name)
        with (target / shard.name).open("r+b") as file:
            for name, place in shard.places.items():
                file.seek(place)
                file.write(made[name].numpy().data)
    streamed.write_index(target, planned)


def averaged(folder: str, names: list[str], workers: int, block: int | None, form: str) -> Memory:
    """What averaging takes."""
    stream.BLOCK, paths = block or stream.BLOCK, list(map(Path, names))
    with tempfile.TemporaryDirectory(dir=folder) as made:
        target = Path(made) / "mean"
        if form == "safetensors":
            average = partial(stream.average_files, max_shard_size=SHARD)
        else:
            import torch.distributed.checkpoint  # noqa: F401, not what is measured

            average = partial(average_to_distributed)
        return watched(lambda: average(target, paths, workers=workers))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharded")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--kind", choices=KINDS, default="safetensors")
    parser.add_argument("--output", choices=KINDS, default="safetensors")
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--block", type=int, default=None, help="values at a time")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        paths = [Path(folder) / f"step_{place:02d}" for place in range(given.count)]
        for place, path in enumerate(paths):
            write(path, given.layers, place, given.kind)
        size = sum(torch.Size(shape).numel() for shape in shapes(given.layers).values()) * 4
        print(f"{given.count} checkpoints of {size / 1e9:.2f} GB ({given.kind})", flush=True)
        cases = {
            f"{workers} workers": partial(
                apart, averaged, folder, paths, workers, given.block, given.output, **SYSTEM
            )
            for workers in given.workers
        }
        for name, found in in_turns(cases, given.turns).items():
            for own, resident, seconds in found:
                print(
                    f"{name}: {seconds:.1f} s; {own / 1e6:.0f} MB of its own beyond what it began "
                    f"with, {resident / 1e6:.0f} MB resident"
                )


if __name__ == "__main__":
    main()
