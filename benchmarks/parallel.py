"""How much faster a sweep is in two processes than in one, on the same two cores.

    python -m benchmarks --only parallel

Each case is a whole sweep of `start_by_lr_demo`'s kind, from the command to its end.
"""

import tempfile
from functools import partial

from benchmarks.measure import Took, in_turns, python, timed
from benchmarks.table import Section, ratios, spread

CASES = {
    "one process, one thread": ["training.threads=1"],
    "one process, two threads": ["training.threads=2"],
    "two processes, one thread each": [
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "training.threads=1")
    ],
}


def sweep(options: list[str], epochs: int, seeds: int) -> Took:
    """What a whole sweep in an empty folder took."""
    with tempfile.TemporaryDirectory() as folder:
        given = ["experiment=start_by_lr_demo", *options, f"training.epochs={epochs}"]
        axes = f"averaging.start: '2,6', optimizer.lr: '0.01,0.05', seed: 'range({seeds})'"
        given += [f"hydra.sweeper.params={{{axes}}}", f"paths.outputs={folder}"]
        return timed(lambda: python("src/train.py", *given))


def sections(turns: int, epochs: int, seeds: int) -> list[Section]:
    """The table."""
    cases = {name: partial(sweep, some, epochs, seeds) for name, some in CASES.items()}
    found = in_turns(cases, turns)
    walls = {case: [one.wall for one in each] for case, each in found.items()}
    reference, rows = next(iter(walls.values())), []
    for case, each in found.items():
        cells = [spread(walls[case], ",.1f"), spread([one.cpu for one in each], ",.1f")]
        rows.append([case, *cells, spread(ratios(reference, walls[case]))])
    note = (
        f"n = {turns} turns of `experiment=start_by_lr_demo` with {epochs} epochs, 2 start epochs "
        f"x 2 learning rates x {seeds} seeds: {4 * seeds} runs of {2 * seeds} trajectories, from "
        "the command to its end."
    )
    head = ["sweep", "seconds", "seconds of processors", "times as fast"]
    return [Section("A sweep in parallel", head, rows, note)]
