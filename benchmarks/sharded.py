"""Memory and time of averaging sharded checkpoints of a large model.

    python -m benchmarks.sharded                        10 of 1 GB, each in shards of 250 MB
    python -m benchmarks.sharded --kind dcp --workers 2
    python -m benchmarks.sharded --count 3 --output dcp
    python -m benchmarks.sharded --block 1000000000     whole tensors at a time

The checkpoints are synthetic, distinct and below --folder (a temporary folder, removed at the end;
they take --count + 1 GB, and 1 GB more for --output dcp). Memory is that of the process and its
children together, sampled every millisecond (Linux): their own, and all that is resident, which has
pages of the mapped files that the system takes back when it needs them, counted once per process.
"""

import argparse
import multiprocessing
import multiprocessing.connection
import os
import tempfile
import threading
import time
import warnings
from pathlib import Path

import torch

from polyak.averaging import stream
from polyak.averaging.distributed import average_to_distributed
from polyak.weights import streamed
from polyak.weights.layout import Entry

SHARD = 250_000_000


def shapes(layers: int) -> dict[str, tuple[int, ...]]:
    """Those of a transformer of width 1024; with 16 layers 253 million values, 1.01 GB."""
    found: dict[str, tuple[int, ...]] = {"embedding.weight": (50_257, 1024)}
    for layer in range(layers):
        for name, shape in (
            ("attention.qkv.weight", (3072, 1024)),
            ("attention.out.weight", (1024, 1024)),
            ("up.weight", (4096, 1024)),
            ("down.weight", (1024, 4096)),
            ("norm.weight", (1024,)),
        ):
            found[f"layers.{layer}.{name}"] = shape
    return found


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


def family(process: int) -> list[int]:
    """A process and all below it."""
    found = [process]
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def memory() -> tuple[int, int]:
    """Bytes of this process and its children: their own, and all resident ones."""
    own = resident = 0
    for process in family(os.getpid()):
        try:
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:  # it has just ended
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        own += int(fields.get("RssAnon", "0 kB").split()[0]) * 1024
        resident += int(fields.get("VmRSS", "0 kB").split()[0]) * 1024
    return own, resident


def measure(
    target: Path, paths: list[Path], workers: int, block: int | None, form: str
) -> tuple[float, tuple[int, int], tuple[int, int]]:
    """Seconds, memory before, and the most memory of averaging; in a fresh process."""
    stream.BLOCK = block or stream.BLOCK
    if form == "dcp":
        import torch.distributed.checkpoint  # noqa: F401, not what is measured
    before, most, done = memory(), [0, 0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            most[:] = map(max, most, memory())

    thread = threading.Thread(target=watch)
    thread.start()
    began = time.perf_counter()
    if form == "dcp":
        average_to_distributed(target, paths, workers=workers)
    else:
        stream.average_files(target, paths, max_shard_size=SHARD, workers=workers)
    spent = time.perf_counter() - began
    done.set()
    thread.join()
    return spent, before, (most[0], most[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharded")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--kind", choices=["safetensors", "dcp"], default="safetensors")
    parser.add_argument("--output", choices=["safetensors", "dcp"], default="safetensors")
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
        for turn in range(given.turns):
            for workers in given.workers:
                # A pool's processes are daemons, which may have no children.
                target = Path(folder) / f"mean{turn}_{workers}"
                context = multiprocessing.get_context("spawn")
                ours, theirs = context.Pipe()
                child = context.Process(
                    target=_measured,
                    args=(theirs, target, paths, workers, given.block, given.output),
                )
                child.start()
                spent, before, most = ours.recv()
                child.join()
                own, resident = (f"{(b - a) / 1e6:.0f}" for a, b in zip(before, most, strict=True))
                print(
                    f"workers {workers}: {spent:.1f} s; {most[0] / 1e6:.0f} MB of its own at most "
                    f"({own} beyond what it began with), {most[1] / 1e6:.0f} MB resident "
                    f"({resident} beyond)",
                    flush=True,
                )


def _measured(pipe: "multiprocessing.connection.Connection", *given: object) -> None:
    pipe.send(measure(*given))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
