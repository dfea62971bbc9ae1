"""Training and evaluation beside the article's loop, and beside the processor's limit.

    python -m benchmarks --only speed

Each case (cases.py) is a process of its own, with a warm-up first. The article's loop (DataLoader,
ToTensor, Normalize, NCHW, ReLU before the pool) is written plainly in article.py.
"""

import statistics
from functools import partial

import torch

from benchmarks import cases
from benchmarks.measure import apart, in_turns
from benchmarks.table import Section, ratios, spread
from polyak import allocator
from polyak.store import environment

EPOCH = 73_257
"""Images in SVHN's training split: what an epoch's seconds are given for."""
ALONE = " by itself"
"""Marks an article's case that runs under the system's own memory allocation."""


def measured(name: str, images: int) -> float:
    """Seconds."""
    under = {allocator.SWITCH: "system"} if name.endswith(ALONE) else {}
    return float(apart(cases.seconds, name.removesuffix(ALONE), images, **under))


def possible(names: list[str]) -> list[str]:
    """Those that the processor doesn't emulate, slowly."""
    fast = environment.fast_bf16(torch.device("cpu"))
    return [name for name in names if fast or not name.endswith("bf16")]


def product(name: str) -> str:
    """The case with the matrix products that limit the one of that name."""
    return "product-bf16" if name.endswith("bf16") else "product"


def training_passes() -> float:
    """How many forward passes a step's products are."""
    return cases.operations(backward=True) / cases.operations(backward=False)


def speed(
    turns: dict[str, list[float]], images: int, kind: str, operations: float, passes: int
) -> Section:
    """The table of one kind of work; `operations` in forward passes, `passes` over the images."""
    reference, forward = f"article-{kind}", cases.operations(backward=False)
    rows = []
    for name in (reference + ALONE, reference, kind, f"{kind}-bf16"):
        if name not in turns:
            continue
        seconds = [time * EPOCH / images / passes for time in turns[name]]
        limit = [time * operations * passes for time in turns[product(name)]]
        rows.append(
            [
                name,
                spread(seconds, ",.1f"),
                f"{EPOCH / statistics.median(seconds):,.0f}",
                spread(ratios(turns[reference], turns[name])),
                spread(ratios(turns[reference + ALONE], turns[name])),
                spread(ratios(turns[name], limit)),
            ]
        )
    head = [kind, f"seconds per {EPOCH:,} images", "images per second"]
    head += [f"times as fast as {reference}", f"as {reference + ALONE}"]
    head += ["times the limit's seconds"]
    rates = ", ".join(
        f"{forward * images / statistics.median(turns[name]) / 1e9:.0f} GFLOP/s ({name})"
        for name in turns
        if name.startswith("product")
    )
    note = (
        f'n = {len(turns[kind])} turns of {images:,} random images (32x32) in memory. "By itself": '
        "under the system's own memory allocation, all else under `polyak.allocator`'s. The limit: "
        f"the model's convolutions and matrix products alone ({operations * forward / 1e6:.1f} "
        "million operations per image), at the speed of a product of 2048 x 2048 in the same turn: "
        f"{rates}."
    )
    if kind == "evaluation":
        note += f" {passes} weight sets; ours computes loss and calibration error as well."
    return Section(kind.capitalize(), head, rows, note)


def sections(turns: int, images: int) -> list[Section]:
    """Both tables."""
    kinds = ("training", "evaluation")
    names = [f"article-{kind}{ALONE}" for kind in kinds]
    names += [name for kind in kinds for name in (f"article-{kind}", kind, f"{kind}-bf16")]
    names += ["product", "product-bf16"]
    found = in_turns({name: partial(measured, name, images) for name in possible(names)}, turns)
    return [
        speed(found, images, "training", training_passes(), 1),
        speed(found, images, "evaluation", 1, cases.WEIGHT_SETS),
    ]
