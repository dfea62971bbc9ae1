"""How much faster a sweep is in two processes than in one, on the same two cores.

    sections(turns=3, epochs=10)

Each case is a whole sweep of `start_by_lr_demo`'s kind, from the command to its end: 2 start epochs
x 2 learning rates x 2 seeds, 8 runs of 4 trajectories. The cases take turns, each turn in the
opposite order of the one before; ratios are within a turn.
"""

import tempfile

from benchmarks.page import Section, spread
from benchmarks.points import Took, took

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


def sweep(options: list[str], epochs: int) -> Took:
    """What a whole sweep in an empty folder took."""
    with tempfile.TemporaryDirectory() as folder:
        given = [*SWEEP, *options, f"training.epochs={epochs}", f"paths.outputs={folder}"]
        return took(["src/train.py", *given])


def sections(turns: int, epochs: int) -> list[Section]:
    """The table."""
    found: dict[str, list[Took]] = {case: [] for case in CASES}
    for turn in range(turns):
        for case in list(CASES)[:: 1 if turn % 2 else -1]:
            found[case].append(sweep(CASES[case], epochs))
            one = found[case][-1]
            print(
                f"turn {turn + 1}: {case}: {one.wall:.1f} s, {one.cpu:.1f} of processors",
                flush=True,
            )
    reference, rows = [one.wall for one in next(iter(found.values()))], []
    for case, both in found.items():
        walls, cpus = [one.wall for one in both], [one.cpu for one in both]
        ratios = [one / other for one, other in zip(reference, walls, strict=True)]
        cells = [spread(walls, 1), spread(cpus, 1), spread(ratios)]
        rows.append([case, *cells])
    note = (
        f"n = {turns} turns of `experiment=start_by_lr_demo` with {epochs} epochs, 2 start epochs "
        "x 2 learning rates x 2 seeds: 8 runs of 4 trajectories, from the command to its end."
    )
    head = ["sweep", "seconds", "seconds of processors", "times as fast"]
    return [Section("A sweep in parallel", head, rows, note)]
