"""How much faster a sweep is in two processes than in one, on the same two cores.

    sections(turns=3, epochs=10)

Each case is a whole sweep of `start_by_lr_demo`'s kind, from the command to its end: 2 start epochs
x 2 learning rates x 2 seeds, 8 runs of 4 trajectories. The cases take turns, each turn in the
opposite order of the one before; ratios are within a turn.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.page import Section, spread

ROOT = Path(__file__).resolve().parents[1]
SWEEP = [
    "experiment=start_by_lr_demo",
    "hydra.sweeper.params={averaging.start: '2,6', optimizer.lr: '0.01,0.05', seed: '0,1'}",
]
CASES = {
    "one process, one thread": ["training.threads=1"],
    "one process, two threads": ["training.threads=2"],
    "two processes, one thread each": [
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "training.threads=1")
    ],
}


def sweep(options: list[str], epochs: int) -> tuple[float, float]:
    """Seconds of a whole sweep in an empty folder: by the clock, and of the processors."""
    with tempfile.TemporaryDirectory() as folder:
        given = [*SWEEP, *options, f"training.epochs={epochs}", f"paths.outputs={folder}"]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, "src/train.py", *given],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sections(turns: int, epochs: int) -> list[Section]:
    """The table."""
    found: dict[str, list[tuple[float, float]]] = {case: [] for case in CASES}
    for turn in range(turns):
        for case in list(CASES)[:: 1 if turn % 2 else -1]:
            found[case].append(sweep(CASES[case], epochs))
            wall, cpu = found[case][-1]
            print(f"turn {turn + 1}: {case}: {wall:.1f} s, {cpu:.1f} of processors", flush=True)
    reference, rows = [wall for wall, _ in next(iter(found.values()))], []
    for case, both in found.items():
        walls, cpus = ([pair[place] for pair in both] for place in (0, 1))
        ratios = [one / other for one, other in zip(reference, walls, strict=True)]
        cells = [spread(walls, 1), spread(cpus, 1), spread(ratios)]
        rows.append([case, *cells])
    note = (
        f"n = {turns} turns of `experiment=start_by_lr_demo` with {epochs} epochs, 2 start epochs "
        "x 2 learning rates x 2 seeds: 8 runs of 4 trajectories, from the command to its end."
    )
    head = ["sweep", "seconds", "seconds of processors", "times as fast"]
    return [Section("A sweep in parallel", head, rows, note)]
