"""What a run costs that trains next to nothing: until its first step, and as a point of a sweep.

    python -m benchmarks --only points

Each measurement is a process of its own. The data are a few hundred small images at most, so that
what is measured is all but training and evaluation.
"""

import json
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.measure import Took, in_turns, python, timed
from benchmarks.subject import BATCH_SIZE, pixels
from benchmarks.table import Section, spread

SIZES = (5, 10, 20)
"""Points of the sweeps."""
TINY = (
    *("experiment=smoke", f"training.epochs={max(SIZES)}", "training.threads=1"),
    *("averaging.running=false", "averaging.start=0"),
)


def reused_points(folder: Path, turns: int) -> Section:
    """Of one point of sweeps of several sizes, all of whose epochs are in the store: what the sweep
    took beyond a sweep of one point, by the points that it has more."""
    train, number = ["src/train.py", *TINY, f"paths.outputs={folder}"], count()
    python(*train)  # whose epochs all points reuse

    def sweep(size: int) -> Took:
        # One value is no axis: an axis of one value.
        starts = ",".join(map(str, range(size))) if size > 1 else "choice(0)"
        axis = [f"averaging.start={starts}", f"name=points{next(number)}"]
        return timed(lambda: python(*train, "--multirun", *axis))

    found = in_turns({str(size): partial(sweep, size) for size in (1, *SIZES)}, turns)
    rows = []
    for size in SIZES:
        pairs = list(zip(found[str(size)], found["1"], strict=True))
        walls = [(more.wall - one.wall) / (size - 1) for more, one in pairs]
        cpus = [(more.cpu - one.cpu) / (size - 1) for more, one in pairs]
        rows.append([str(size), spread(walls), spread(cpus)])
    note = (
        f"n = {turns} turns of sweeps over `averaging.start` of `experiment=smoke` (600 images) in "
        "one process, beyond one point."
    )
    head = ["of so many", "seconds", "seconds of processors"]
    return Section("A reused point of a sweep", head, rows, note)


def first_step(folder: Path, turns: int) -> Section:
    """A run's parts until its first step is done, on one batch of pixels."""
    images, labels = pixels(BATCH_SIZE)
    file, number = folder / "pixels.npz", count()
    np.savez(file, images=images.permute(0, 2, 3, 1).numpy(), labels=labels.numpy())

    def run() -> dict[str, float]:
        directory, began = folder / f"run{next(number)}", time.time()
        python(
            *("src/train.py", "dataset=arrays", f"dataset.train={file}", f"dataset.test={file}"),
            *("training.epochs=1", "averaging.start=0", f"hydra.run.dir={directory}"),
            f"paths.outputs={directory}_outputs",
        )
        stages = json.loads((directory / "summary.json").read_text())["seconds"]
        claimed = json.loads((directory / "claim.json").read_text())["began"]
        whole = (directory / "summary.json").stat().st_mtime - claimed
        return {
            "Python, Hydra, composing the configuration": claimed - began,
            "checking the configuration": stages["config"],
            "importing torch and this project": whole - sum(stages.values()),
            "data, model and fingerprint": stages["data"],
            "the first step, its checkpoint and evaluation": stages["training"],
        }

    found = in_turns({"to the first step": run}, turns)["to the first step"]
    rows = [[part, spread([one[part] for one in found])] for part in found[0]]
    note = f"n = {turns} turns of a new run of one step."
    return Section("From the command to the first step", ["part", "seconds"], rows, note)


def sections(turns: int) -> list[Section]:
    """Both tables."""
    with tempfile.TemporaryDirectory() as folder:
        return [reused_points(Path(folder), turns), first_step(Path(folder), turns)]
