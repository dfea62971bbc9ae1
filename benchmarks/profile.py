"""Where a training step's time goes, by kind of operator, in one thread.

python -m benchmarks --only profile
"""

from benchmarks import cases
from benchmarks.measure import apart
from benchmarks.speed import possible, product, training_passes
from benchmarks.subject import BATCH_SIZE
from benchmarks.table import Section

KINDS = {
    "convolutions and matrix products": ("convolution", "mm"),
    "pooling": ("max_pool",),
    "ReLU": ("threshold", "clamp_min", "relu"),
    "copies, casts, layout": ("copy", "clone", "index", "SameFormat", "cat"),
    "filling with zeros": ("fill_", "zero"),
    "sums and products by entry": ("add_", "mul_", "div_", "sub_", "sum"),
    "optimizer's own": ("Optimizer",),
    "other": ("",),
}
"""Of a step's operators, by parts of their names; the first that fits."""
ONE = {"OMP_NUM_THREADS": "1"}


def by_kind(name: str, steps: int) -> dict[str, float]:
    """Milliseconds of a step."""
    found = dict.fromkeys(KINDS, 0.0)
    for operator, milliseconds in apart(cases.operators, name, steps * BATCH_SIZE, **ONE):
        kind = next(kind for kind, parts in KINDS.items() if any(p in operator for p in parts))
        found[kind] += milliseconds / steps
    return found


def limit(name: str) -> float:
    """Milliseconds of a step's products alone."""
    seconds = apart(cases.seconds, product(name), 10 * BATCH_SIZE, **ONE)
    return 1e3 * float(seconds) / 10 * training_passes()


def sections(steps: int) -> list[Section]:
    """The table."""
    names = possible(["article-training", "training", "training-bf16"])
    taken = [by_kind(name, steps) for name in names]
    lines = {kind: [one[kind] for one in taken] for kind in KINDS}
    lines["all"] = [sum(one.values()) for one in taken]
    lines["its products at the speed of one of 2048 x 2048"] = list(map(limit, names))
    rows = [[kind, *(f"{one:.1f}" for one in each)] for kind, each in lines.items()]
    note = (
        "Milliseconds of a step of 128 images by operators' own time "
        f"(torch.profiler, {steps} steps, one thread, n = 1). What isn't a product is bound by "
        "memory: no faster product shortens it."
    )
    return [Section("Where a step's time goes", ["operators", *names], rows, note)]
