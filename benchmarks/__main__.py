"""Measure training, evaluation and start, and write docs/performance.md.

    make bench           all of it
    make bench-quick     one pair of each, in minutes; prints, and writes nothing

Each measurement is a process of its own. The cases take turns, and ratios are between
measurements of the same turn, so that a slow minute of the machine slows both sides.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch

from benchmarks import cases
from polyak import allocator
from polyak.store import environment

ROOT = Path(__file__).resolve().parents[1]
EPOCH = 73_257
"""Images in SVHN's training split: what an epoch's seconds are given for."""
ALONE = " by itself"
"""Marks an article's case that runs under the system's own memory allocation."""

Turns = dict[str, list[float]]
"""Seconds by case, one entry a turn."""


def child(arguments: Iterable[str], env: Mapping[str, str] | None = None) -> str:
    """What a Python process with those arguments prints. Raises CalledProcessError."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**(os.environ if env is None else env), "PYTHONPATH": paths},
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def measure(names: list[str], turns: int, images: int) -> Turns:
    """Run the cases in turns, each turn in the opposite order of the one before."""
    found: Turns = {name: [] for name in names}
    system = {**os.environ, allocator.SWITCH: "system"}
    for turn in range(turns):
        for name in names[:: 1 if turn % 2 else -1]:
            command = ["-m", "benchmarks.cases", name.removesuffix(ALONE), "--images", str(images)]
            found[name].append(json.loads(child(command, system if ALONE in name else None)))
            print(f"turn {turn + 1} of {turns}: {name} {found[name][-1]:.2f} s", flush=True)
    return found


def ratio(turns: Turns, slow: str, fast: str) -> str:
    """Median, and range, of the turns' ratios."""
    ratios = [one / other for one, other in zip(turns[slow], turns[fast], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def start(turns: int) -> dict[str, float]:
    """Median seconds of a run's parts until the first step is done, on one batch of pixels."""
    parts: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        images, labels = cases.pixels(cases.BATCH_SIZE)
        file = Path(folder) / "pixels.npz"
        np.savez(file, images=images.permute(0, 2, 3, 1).numpy(), labels=labels.numpy())
        for turn in range(turns):
            directory = Path(folder) / f"run{turn}"
            began = time.time()
            child(
                [
                    "src/train.py",
                    *("dataset=arrays", f"dataset.train={file}", f"dataset.test={file}"),
                    *("training.epochs=1", "averaging.start=0", f"hydra.run.dir={directory}"),
                    f"paths.outputs={folder}/{turn}",
                ]
            )
            stages = json.loads((directory / "summary.json").read_text())["seconds"]
            claimed = json.loads((directory / "claim.json").read_text())["began"]
            whole = (directory / "summary.json").stat().st_mtime - claimed
            took = {
                "Python, Hydra, composing the configuration": claimed - began,
                "checking the configuration": stages["config"],
                "importing torch and this project": whole - sum(stages.values()),
                "data, model and fingerprint": stages["data"],
                "the first step, its checkpoint and evaluation": stages["training"],
            }
            for part, duration in took.items():
                parts.setdefault(part, []).append(duration)
    return {part: statistics.median(durations) for part, durations in parts.items()}


def profiles(names: list[str]) -> dict[str, list[tuple[str, float]]]:
    """The largest shares of the operators in a few steps of those cases."""
    command = ["--profile", "--images", str(5 * cases.BATCH_SIZE)]
    return {
        name: json.loads(child(["-m", "benchmarks.cases", name, *command]))[:8] for name in names
    }


def table(head: list[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def speed(turns: Turns, images: int, kind: str, operations: float, passes: int) -> str:
    """The table of one kind of work; `operations` in forward passes, `passes` over the images."""
    reference = f"article-{kind}"
    rows = []
    for name in (reference + ALONE, reference, kind, f"{kind}-bf16"):
        if name not in turns:
            continue
        seconds = [time * EPOCH / images / passes for time in turns[name]]
        product = "product-bf16" if name.endswith("bf16") else "product"
        limit = {**turns, product: [t * operations * passes for t in turns[product]]}
        rows.append(
            [
                name,
                f"{statistics.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})",
                f"{EPOCH / statistics.median(seconds):,.0f}",
                ratio(turns, reference, name),
                ratio(turns, reference + ALONE, name),
                ratio(limit, name, product),
            ]
        )
    head = [
        kind,
        f"seconds per {EPOCH:,} images",
        "images per second",
        f"times as fast as {reference}",
    ]
    return table([*head, f"as {reference + ALONE}", "times the limit's seconds"], rows)


def report(turns: Turns, images: int, *, started: dict[str, float], quick: bool) -> str:
    """docs/performance.md."""
    count = len(turns["training"])
    forward = cases.operations(backward=False)
    whole = cases.operations(backward=True)
    rate = {
        name: f"{forward * images / statistics.median(turns[name]) / 1e9:.0f}"
        for name in turns
        if name.startswith("product")
    }
    described = environment.describe(torch.device("cpu"), "fp32")
    bf16 = "" if "training-bf16" in turns else "\nNo bfloat16: this processor has no instructions"
    bf16 += " for it, and emulates them slowly.\n" if bf16 else ""
    shares = profiles(["article-training", "training"])
    return f"""# Speed

Written by `make bench{"-quick" if quick else ""}`; don't edit.

Machine: {processor()}, {torch.get_num_threads()} threads, {platform.system()} {
        platform.machine()
    }; Python
{platform.python_version()}, torch {torch.__version__}; code {described["commit"]}. n = {
        count
    } turns of
{images:,} random images (32x32) for each case, in memory; medians (smallest to largest). "By
itself" means under the system's own memory allocation, all else under `polyak.allocator`'s.

Each measurement is a process of its own with a warm-up first; the cases take turns, and ratios are
between measurements of the same turn. The article's loop (DataLoader, ToTensor, Normalize, NCHW,
ReLU before the pool) is written plainly in `benchmarks/article.py`.

The limit is the model's convolutions and matrix products alone, at the speed of a float32 product
of 2048 x 2048 in the same turn: {forward / 1e6:.1f} million operations per image forward,
{whole / 1e6:.1f} million for a training step, at {
        ", ".join(f"{value} GFLOP/s ({name})" for name, value in rate.items())
    }.
{bf16}
## Training

{speed(turns, images, "training", whole / forward, 1)}

## Evaluation

{
        cases.WEIGHT_SETS
    } weight sets on the same images; ours computes loss and calibration error as well.

{speed(turns, images, "evaluation", 1, cases.WEIGHT_SETS)}

## From the command to the first step

{table(["part", "seconds"], [(part, f"{took:.2f}") for part, took in started.items()])}

## Where the time goes

Operators' shares of a training step's time (torch.profiler, 5 steps of {cases.BATCH_SIZE}).

{
        table(
            ["article's loop", "share", "this project's", "share"],
            [
                (before[0], f"{before[1]:.1%}", after[0], f"{after[1]:.1%}")
                for before, after in zip(*shares.values(), strict=True)
            ],
        )
    }
"""


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    except OSError:
        names = set()
    return ", ".join(sorted(names)) or platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="one turn, few images; print only")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--images", type=int, default=2560, help="images per measurement")
    arguments = parser.parse_args()
    turns = 1 if arguments.quick else arguments.turns
    images = 640 if arguments.quick else arguments.images
    names = [f"article-{kind}{ALONE}" for kind in ("training", "evaluation")] + [*cases.CASES]
    if not environment.fast_bf16(torch.device("cpu")):
        names = [name for name in names if not name.endswith("bf16")]
    text = report(
        measure(names, turns, images), images, started=start(turns), quick=arguments.quick
    )
    print(text)
    if not arguments.quick:
        target = ROOT / "docs" / "performance.md"
        kept = target.read_text().partition("\n## Tried") if target.exists() else ("", "", "")
        target.write_text(text + kept[1] + kept[2])


if __name__ == "__main__":
    main()
