"""How the costs of records, maps and lists grow: a table with their exponents.

    python -m benchmarks --only growth

Nothing is trained but one run of seconds, whose files the other measurements use. An exponent is
the slope of log(time) over log(size): 0 is a constant cost, 1 a proportional one. What is "per
epoch" is paid at every epoch, so a total grows with one more than its exponent.
"""

import json
import math
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from analysis.read.load import load
from benchmarks.measure import python, timed
from benchmarks.table import Section
from polyak.config.finished import FinishedRun
from polyak.evaluation.scores import Scores
from polyak.maps.windows import complete, windows
from polyak.records import summary
from polyak.records import trajectory as records
from polyak.records.recording import Entry
from polyak.runs.metrics import add_metrics, write_metrics
from polyak.store import maintenance, paths
from polyak.store.format import READABLE
from polyak.store.manifest import Manifest
from polyak.store.record import EpochRecord
from polyak.store.recorder import Recorder
from polyak.store.recording import Recording
from polyak.training.result import EpochResult
from polyak.weights import distances

EPOCHS = (100, 1_000, 5_000)
KEY = "0" * 16
TENTHS = Recording(every=0.1, means=True, keep="epochs")

Costs = dict[int, float]
"""Seconds by size."""


def seconds(measured: Callable[[], object], times: int) -> float:
    """The median of `times` calls."""
    return statistics.median(timed(measured).wall for _ in range(times))


class Written:
    """A trajectory of so many epochs, and a run's records of it, as `store.work` writes them, with
    files of a few bytes; and the list of ten step means of each."""

    def __init__(self, folder: Path, epochs: int) -> None:
        self.metrics = folder / "metrics.csv"
        self.manifest = Manifest.read(folder / "trajectory", KEY, {"seed": 0})
        self.epochs: list[EpochRecord] = []
        for _ in range(epochs - 1):
            self._train()
        self.manifest.write()
        write_metrics(self.metrics, self.epochs)
        self.add()
        self.recorder = self.read_means()
        self.recorder.directory.mkdir(parents=True)
        self.recorder.index.add(self._means(range(epochs)))

    def add(self) -> None:
        """What an epoch adds to the records."""
        self.manifest.set_state(self._file(paths.state(self.manifest.directory, self._train())))
        self.manifest.append()
        add_metrics(self.metrics, self.epochs[-1])

    def read(self) -> None:
        """trajectory.json, as every process that uses it does once."""
        records.read(self.manifest.directory, READABLE)

    def add_means(self) -> None:
        """What listing the last epoch's ten means costs, once they are on disk."""
        self.recorder.index.add(self._means([len(self.epochs)]))
        self.recorder.prune(len(self.epochs))

    def read_means(self) -> Recorder:
        return Recorder(self.manifest, TENTHS, 100)

    def _train(self) -> int:
        epoch, digit = len(self.epochs), len(self.epochs) % 10 / 10 + 1 / 3
        result = EpochResult(epoch, 0.05, digit, digit / 2, 1 + digit)
        self.epochs.append(EpochRecord(result, {"test": Scores(digit, digit / 2, digit / 3)}))
        weights = self._file(paths.checkpoint(self.manifest.directory, epoch))
        self.manifest.add(result, f"{epoch:064x}", weights, {})
        self.manifest.record(self._file(paths.logits(self.manifest.directory, KEY, epoch)))
        return epoch

    def _file(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"few")
        return path

    def _means(self, epochs: Iterable[int]) -> list[Entry]:
        hashes = dict.fromkeys(("sha256", "epoch_weights_sha256"), "1" * 64)
        return [
            Entry(file=file, begin=steps.start, end=steps.stop, **hashes)
            for epoch in epochs
            for file, steps in self.recorder.wanted(epoch).items()
        ]


def of_epochs(folder: Path, times: int) -> Iterator[tuple[str, Costs]]:
    written = {epochs: Written(folder / str(epochs), epochs) for epochs in EPOCHS}
    for name, call in {
        "trajectory.json and metrics.csv, per epoch": Written.add,
        "reading trajectory.json, per process": Written.read,
        "listing ten means, per epoch": Written.add_means,
        "reading the list of means, per process": Written.read_means,
    }.items():
        yield name, {epochs: seconds(partial(call, one), times) for epochs, one in written.items()}


def trained(folder: Path, epochs: int) -> Path:
    """The directory of a run of the smallest experiment."""
    given = [f"paths.outputs={folder}", "experiment=smoke", f"training.epochs={epochs}"]
    python("src/train.py", *given, "training.threads=1", "name=run")
    return folder / "runs" / "run"


def of_windows(run: Path) -> Costs:
    """The map of all windows of so many epochs, evaluated on 200 images."""
    finished, found = FinishedRun(run), Costs()
    evaluator, at = finished.job.evaluator(["test"]), partial(paths.checkpoint, run)
    for epochs in (6, 12, 24):
        wanted, table = windows(range(epochs), range(1, epochs + 1)), run / f"{epochs}.csv"
        call = partial(complete, table, at, evaluator, finished.job.batch_norm, wanted)
        found[len(wanted)] = timed(call).wall
    return found


def of_distances(run: Path, times: int) -> Costs:
    """All pairs of so many checkpoints: the run's few, over and over."""
    found = {}
    for count in (25, 100, 400):
        files = {number: paths.checkpoint(run, number % 24) for number in range(count)}
        found[count] = seconds(partial(distances.between, files, paths.average(run)), times)
    return found


def of_lists(outputs: Path, run: Path, times: int) -> tuple[Costs, Costs]:
    """Copies of the run's trajectory that are listed, and of the run that are read."""
    (one,) = (outputs / "trajectories").glob("*/trajectory.json")
    store, runs, listed, read = outputs / "copies", outputs / "copied_runs", Costs(), Costs()
    values = json.loads((run / summary.NAME).read_text())
    for number in range(160):
        copied(one.parent, store / f"{number:016x}")
        copied(run, runs / str(number))
        values["config"]["seed"] = number
        (runs / str(number) / summary.NAME).unlink()
        (runs / str(number) / summary.NAME).write_text(json.dumps(values))
        if (count := number + 1) in (10, 40, 160):
            listed[count] = seconds(partial(lines, store), times)
            read[count] = seconds(partial(load, [runs]), times)
    return listed, read


def lines(store: Path) -> list[str]:
    return [maintenance.line(entry) for entry in maintenance.entries(store)]


def copied(source: Path, target: Path) -> None:
    """By links, where files aren't changed."""
    shutil.copytree(source, target, copy_function=os.link)


def exponent(found: Costs) -> float:
    """The least-squares slope of log(time) over log(size)."""
    return statistics.linear_regression(
        [math.log(size) for size in found], [math.log(taken) for taken in found.values()]
    ).slope


def sections(times: int) -> list[Section]:
    """The table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, few = Path(temporary), min(times, 3)
        run, found = trained(folder / "outputs", 24), dict(of_epochs(folder, times))
        found["map of windows, by windows"] = of_windows(run)
        found["distances, by checkpoints"] = of_distances(run, few)
        listed, read = of_lists(folder / "outputs", run, times)
        found["store list, by trajectories"] = listed
        found["reading of the analysis, by runs"] = read
    rows = []
    for name, taken in found.items():
        cells = ", ".join(f"{size:,}: {1e3 * one:.3g}" for size, one in taken.items())
        rows.append([name, cells, f"{exponent(taken):.2f}"])
    note = (
        "Exponent: the slope of log(time) over log(size); of what is paid at every epoch, a total "
        f"grows with one more. Medians of n = {times} (distances: {few}; windows: 1)."
    )
    return [Section("Growth", ["what", "size: milliseconds", "exponent"], rows, note)]
