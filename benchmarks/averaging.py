"""How exact averages are, and how much memory they take.

    python -m benchmarks.averaging

Means of random float32 entries, some of one size and some over many orders of magnitude, beside the
exact mean (fractions) rounded once; and the same for a running mean in float32, as
torch.optim.swa_utils.AveragedModel keeps it. Memory: of averaging K files of 64 MB, without the
pages of mapped files.
"""

import multiprocessing
import tempfile
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from polyak.averaging.mean import mean_of_states
from polyak.averaging.stream import average_files

COUNT = 20_000


def exact(columns: Sequence[Tensor]) -> Tensor:
    """The float32 next to the exact mean of each entry, [N]."""
    means = [
        sum(map(Fraction, entry)) / len(columns) for entry in zip(*_plain(columns), strict=True)
    ]
    guess = torch.tensor([float(mean) for mean in means], dtype=torch.float64).float()
    near = [torch.nextafter(guess, torch.full_like(guess, to)) for to in (-torch.inf, torch.inf)]
    best = []
    for mean, *candidates in zip(means, *_plain([guess, *near]), strict=True):
        distances = [abs(Fraction(one) - mean) for one in candidates]
        best.append(candidates[distances.index(min(distances))])
    return torch.tensor(best, dtype=torch.float32)


def _plain(columns: Sequence[Tensor]) -> list[list[float]]:
    return [column.tolist() for column in columns]


def ours(columns: Sequence[Tensor]) -> Tensor:
    return mean_of_states([{"entries": column} for column in columns])["entries"]


def running(columns: Sequence[Tensor]) -> Tensor:
    """swa_utils' update: mean += (new - mean) / (count + 1), in float32."""
    average = torch.optim.swa_utils.AveragedModel(_Entries(columns[0]))
    for column in columns:
        average.update_parameters(_Entries(column))
    kept: Tensor = average.state_dict()["module.entries"]
    return kept


class _Entries(torch.nn.Module):
    def __init__(self, entries: Tensor) -> None:
        super().__init__()
        self.entries = torch.nn.Parameter(entries.clone())


def ulps(found: Tensor, wanted: Tensor) -> Tensor:
    """Distance in units in the last place, int64 [N]."""
    ordered = [torch.where(x < 0, -(x & 0x7FFFFFFF), x) for x in map(_bits, (found, wanted))]
    return (ordered[0] - ordered[1]).abs()


def _bits(values: Tensor) -> Tensor:
    return values.view(torch.int32).long()


def own_memory() -> int:
    """Bytes of this process that are not pages of files (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024


def most_memory(target: Path, paths: Sequence[Path]) -> int:
    """The most bytes that averaging `paths` takes; to be called in a fresh process, where no memory
    is left over from something else."""
    before, most, done = own_memory(), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.0005):
            most = max(most, own_memory())

    thread = threading.Thread(target=watch)
    thread.start()
    average_files(target, paths)
    done.set()
    thread.join()
    return most - before


def memory() -> None:
    """Print what averaging takes."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{place}.safetensors" for place in range(50)]
        for place, path in enumerate(paths):
            if place < 2:
                tensors = {f"t{i}": torch.full((1 << 18,), float(place)) for i in range(64)}
                safetensors.torch.save_file(tensors, path)
            else:
                path.hardlink_to(paths[place % 2])
        for count in (5, 50):
            target = Path(folder) / f"mean{count}.safetensors"
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                most = pool.apply(most_memory, (target, paths[:count]))
            print(f"averaging {count} files of 64 MB took {most / 2**20:.1f} MB at most")


def main() -> None:
    memory()
    print(f"{COUNT:,} random entries: how many are not the correctly rounded mean (most ulps off)")
    for spread in (0, 4):
        for count in (5, 10, 50):
            generator = torch.Generator().manual_seed(count)
            columns = []
            for _ in range(count):
                size = 10 ** (spread * torch.randn(COUNT, generator=generator))
                columns.append((torch.randn(COUNT, generator=generator) * size).float())
            wanted, line = exact(columns), f"K = {count:2}, sizes 10^(+-{spread}):"
            for name, mean in (("ours", ours), ("running float32 mean", running)):
                off = ulps(mean(columns), wanted)
                line += f"  {name} {int((off > 0).sum())} ({int(off.max())})"
            print(line)


if __name__ == "__main__":
    main()
