"""Training, evaluation and start beside the article's loop, and where a step's time goes.

    sections(turns=5, images=2560)

Each measurement is a process of its own with a warm-up first. The cases take turns, each turn in
the opposite order of the one before, and ratios are between measurements of the same turn, so that
a slow minute of the machine slows both sides. The article's loop (DataLoader, ToTensor, Normalize,
NCHW, ReLU before the pool) is written plainly in `article.py`.
"""

import json
import os
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
from benchmarks.page import Section, spread
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
    return spread(ratios, 2)


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


KINDS = {
    "convolutions and matrix products": ("convolution", "mm"),
    "pooling": ("max_pool",),
    "ReLU": ("threshold", "clamp_min", "relu"),
    "copies, casts, layout": ("copy", "clone", "index", "SameFormat", "cat"),
    "filling with zeros": ("fill_", "zero"),
    "sums and products by entry": ("add_", "mul_", "div_", "sub_", "sum"),
    "optimizer's own": ("Optimizer",),
}
"""Of a step's operators, by parts of their names; all else is "other"."""


def kind_of(operator: str) -> str:
    """Its key in KINDS."""
    return next(
        (kind for kind, parts in KINDS.items() if any(p in operator for p in parts)), "other"
    )


STEPS = 30
"""Of a profile."""


def profile() -> list[Section]:
    """Milliseconds of a step of 128 images by kind of operator, in one thread."""
    names = ["article-training", "training", "training-bf16"]
    if not environment.fast_bf16(torch.device("cpu")):
        names.pop()
    command = ["--profile", "--threads", "1", "--images", str(STEPS * cases.BATCH_SIZE)]
    taken: dict[str, dict[str, float]] = {}
    for name in names:
        of_kind = taken[name] = dict.fromkeys([*KINDS, "other"], 0.0)
        for operator, milliseconds in json.loads(child(["-m", "benchmarks.cases", name, *command])):
            of_kind[kind_of(operator)] += milliseconds / STEPS
    limits = [_product(name) for name in names]
    rows = [[kind, *(f"{taken[name][kind]:.1f}" for name in names)] for kind in [*KINDS, "other"]]
    rows.append(["all", *(f"{sum(taken[name].values()):.1f}" for name in names)])
    rows.append(
        ["its products at the speed of one of 2048 x 2048", *(f"{one:.1f}" for one in limits)]
    )
    note = (
        "Milliseconds of a step of 128 images by operators' own time "
        f"(torch.profiler, {STEPS} steps, one thread, n = 1). What isn't a product is bound by "
        "memory: no faster product shortens it."
    )
    return [Section("Where a step's time goes", ["operators", *names], rows, note)]


def _product(name: str) -> float:
    """Milliseconds of a step's products, in one thread."""
    case = "product-bf16" if name.endswith("bf16") else "product"
    command = ["-m", "benchmarks.cases", case, "--threads", "1", "--images", "1280"]
    share = cases.operations(backward=True) / cases.operations(backward=False)
    return 1e3 * float(json.loads(child(command))) / 10 * share


def speed(turns: Turns, images: int, kind: str, operations: float, passes: int) -> Section:
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
                spread(seconds, 1),
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
    head += [f"as {reference + ALONE}", "times the limit's seconds"]
    forward = cases.operations(backward=False)
    rate = {
        name: f"{forward * images / statistics.median(turns[name]) / 1e9:.0f}"
        for name in turns
        if name.startswith("product")
    }
    rates = ", ".join(f"{value} GFLOP/s ({name})" for name, value in rate.items())
    note = (
        f'n = {len(turns[kind])} turns of {images:,} random images (32x32) in memory. "By itself": '
        "under the system's own memory allocation, all else under `polyak.allocator`'s. The limit: "
        f"the model's convolutions and matrix products alone ({operations * forward / 1e6:.1f} "
        "million operations per image), at the speed of a product of 2048 x 2048 in the same turn: "
        f"{rates}."
    )
    if kind == "evaluation":
        note += (
            f" {cases.WEIGHT_SETS} weight sets; ours computes loss and calibration error as well."
        )
    return Section(kind.capitalize(), head, rows, note)


def sections(turns: int, images: int) -> list[Section]:
    """All of it."""
    names = [f"article-{kind}{ALONE}" for kind in ("training", "evaluation")] + [*cases.CASES]
    if not environment.fast_bf16(torch.device("cpu")):  # it would be emulated, slowly
        names = [name for name in names if not name.endswith("bf16")]
    measured = measure(names, turns, images)
    share = cases.operations(backward=True) / cases.operations(backward=False)
    started = [[part, f"{took:.2f}"] for part, took in start(turns).items()]
    return [
        speed(measured, images, "training", share, 1),
        speed(measured, images, "evaluation", 1, cases.WEIGHT_SETS),
        Section(
            "From the command to the first step", ["part", "seconds"], started, f"n = {turns}."
        ),
    ]
