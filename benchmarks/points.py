"""What a point of a sweep costs that trains nothing, and what a run costs until its first step.

    python -m benchmarks --only points

Each measurement is a process of its own, and they take turns. The data are a few hundred small
images, so that what is measured is all but training and evaluation. CPU seconds are beside those
that went by: they hardly change where other work shares the machine.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page import Section, spread

ROOT = Path(__file__).resolve().parents[1]
SIZES = (5, 10, 20)
"""Points of the sweeps."""
_TINY = (
    *("experiment=smoke", f"training.epochs={max(SIZES)}", "training.threads=1"),
    *("averaging.running=false", "averaging.start=0"),
)


@dataclass(frozen=True)
class Took:
    """Seconds that went by, and those of the processor, of a process and its children."""

    wall: float
    cpu: float

    def per(self, count: int, beyond: "Took") -> "Took":
        """A `count`-th of what it took `beyond` another."""
        return Took((self.wall - beyond.wall) / count, (self.cpu - beyond.cpu) / count)


Turns = dict[str, list[Took]]
"""By what was measured, one entry a turn."""


def took(arguments: Iterable[str]) -> Took:
    """Of a Python process with those arguments. Raises CalledProcessError."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    began, before = time.perf_counter(), os.times()
    subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = os.times()
    used = sum(after[2:4]) - sum(before[2:4])
    return Took(time.perf_counter() - began, used)


def reused_points(folder: Path, turns: int, sizes: Sequence[int] = SIZES) -> Turns:
    """Of one point of sweeps of several sizes, all of whose epochs are in the store: what the sweep
    took beyond a sweep of one point, by the points that it has more. Outputs are in `folder`."""
    train = ["src/train.py", *_TINY, f"paths.outputs={folder}"]
    took(train)  # which all points reuse
    found: Turns = {str(size): [] for size in sizes}
    for turn in range(turns):
        by_size = {}
        for size in (1, *sizes)[:: 1 if turn % 2 else -1]:
            starts = ",".join(map(str, range(size)))
            sweep = ["--multirun", f"averaging.start={starts}", f"name=points{size}_{turn}"]
            if size == 1:  # one value is no axis: an axis of one value
                sweep[1] = "averaging.start=choice(0)"
            by_size[size] = took([*train, *sweep])
        for size in sizes:
            found[str(size)].append(by_size[size].per(size - 1, beyond=by_size[1]))
    return found


def first_step(folder: Path, turns: int) -> Turns:
    """Of a new run of one step, as a whole and without what comes after the step's checkpoint, and
    of nothing but the import of torch: no run can begin before."""
    found: Turns = {"import torch": [], "to the first checkpoint": [], "the whole run": []}
    for turn in range(turns):
        outputs = folder / f"first{turn}"
        one_step = ("training.epochs=1", "training.batch_size=600", "dataset.validation=0")
        arguments = ["src/train.py", *_TINY, *one_step, f"paths.outputs={outputs}"]
        found["import torch"].append(took(["-c", "import torch"]))
        began = time.time()
        whole = took([*arguments, f"paths.datasets={folder / 'datasets'}"])
        (checkpoint,) = outputs.glob("trajectories/*/checkpoints/epoch_000.safetensors")
        reached = checkpoint.stat().st_mtime - began
        found["to the first checkpoint"].append(Took(reached, float("nan")))
        found["the whole run"].append(whole)
    return found


def _section(title: str, what: str, turns: Turns, note: str) -> Section:
    rows = []
    for name, each in turns.items():
        walls, cpus = [one.wall for one in each], [one.cpu for one in each]
        unknown = any(one != one for one in cpus)  # of a part of a process
        rows.append([name, spread(walls), "" if unknown else spread(cpus)])
    return Section(title, [what, "seconds", "seconds of processors"], rows, note)


def sections(turns: int) -> list[Section]:
    """Both tables."""
    with tempfile.TemporaryDirectory() as folder:
        points = reused_points(Path(folder), turns)
        first = first_step(Path(folder), turns)
    reused = (
        f"n = {turns} turns of sweeps over `averaging.start` of `experiment=smoke` (600 images) in "
        "one process, beyond one point."
    )
    begun = f"n = {turns} turns of a new run of one step on 600 images."
    return [
        _section("A reused point of a sweep", "of so many", points, reused),
        _section("From the command to the first checkpoint", "from the command", first, begun),
    ]
