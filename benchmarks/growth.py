"""How the costs of records, maps and lists grow: a table with their exponents.

    python -m benchmarks --only growth

Nothing is trained but one run of seconds, whose files the other measurements use. An exponent is
the slope of log(time) over log(size): 0 is a constant cost, 1 a proportional one. What is "per
epoch" is paid at every epoch, so a total grows with one more than its exponent. Each cell is the
median of n = 5 measurements (windows: 1, distances: 3).
"""

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from analysis.read.load import load
from benchmarks.page import Section
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

TRAIN = Path(__file__).resolve().parents[1] / "src" / "train.py"
EPOCHS = (100, 1_000, 5_000)
KEY = "0" * 16
TENTHS = Recording(every=0.1, means=True, keep="epochs")


def seconds(measured: Callable[[], object], times: int = 5) -> float:
    """The median of `times` calls."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        measured()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


class Written:
    """A trajectory of so many epochs, and a run's records of it: as `store.work` writes them, with
    files of a few bytes."""

    def __init__(self, folder: Path, epochs: int) -> None:
        self.directory, self.metrics = folder / "trajectory", folder / "metrics.csv"
        self.manifest = Manifest.read(self.directory, KEY, {"seed": 0})
        self.epochs: list[EpochRecord] = []
        for path in self._files(0):
            path.parent.mkdir(parents=True, exist_ok=True)
        values = self.manifest.values
        for epoch in range(epochs - 1):
            self._next()
            weights = f"{epoch:064x}"
            values["epochs"].append({**vars(self.epochs[-1].training), "weights_sha256": weights})
            values["files"] |= dict.fromkeys(map(self._name, self._files(epoch)[:2]), weights)
        values["environments"].append({"from_epoch": 0, "environment": {}})
        self.manifest.write()
        write_metrics(self.metrics, self.epochs)
        self.add()

    def add(self) -> None:
        """An epoch, and what it adds to the records."""
        checkpoint, logits, state = self._files(self._next())
        self.manifest.add(self.epochs[-1].training, f"{len(self.epochs):064x}", checkpoint, {})
        self.manifest.record(logits)
        self.manifest.set_state(state)
        self.manifest.append()
        add_metrics(self.metrics, self.epochs[-1])

    def read(self) -> None:
        """trajectory.json, as every process that uses it does once."""
        records.read(self.directory, READABLE)

    def _next(self) -> int:
        epoch, digit = len(self.epochs), len(self.epochs) % 10 / 10 + 1 / 3
        result = EpochResult(epoch, 0.05, digit, digit / 2, 1 + digit)
        self.epochs.append(EpochRecord(result, {"test": Scores(digit, digit / 2, digit / 3)}))
        return epoch

    def _files(self, epoch: int) -> list[Path]:
        found = [
            paths.checkpoint(self.directory, epoch),
            paths.logits(self.directory, KEY, epoch),
            paths.state(self.directory, epoch),
        ]
        for path in found:
            if path.parent.is_dir():
                path.write_bytes(b"few")
        return found

    def _name(self, path: Path) -> str:
        return path.relative_to(self.directory).as_posix()


def listed(folder: Path, epochs: int) -> Recorder:
    """The recorder of a recording that lists ten means of each of so many epochs."""
    written = Written(folder, epochs)
    recorder = Recorder(written.manifest, TENTHS, 100)
    recorder.directory.mkdir(parents=True)
    recorder.index.add([one for epoch in range(epochs) for one in entries(recorder, epoch)])
    return recorder


def entries(recorder: Recorder, epoch: int) -> Iterator[Entry]:
    hashes = dict.fromkeys(("sha256", "epoch_weights_sha256"), "1" * 64)
    for file, steps in recorder.wanted(epoch).items():
        yield Entry(file=file, begin=steps.start, end=steps.stop, **hashes)


def record(recorder: Recorder, epoch: int) -> None:
    """What listing an epoch's ten means costs, once they are on disk."""
    recorder.index.add(list(entries(recorder, epoch)))
    recorder.prune(epoch)


def of_epochs(folder: Path) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for epochs in EPOCHS:
        written = Written(folder / str(epochs), epochs)
        one = found.setdefault("trajectory.json and metrics.csv, per epoch", {})
        one[epochs] = seconds(written.add)
        found.setdefault("reading trajectory.json, per process", {})[epochs] = seconds(written.read)
        recorder = listed(folder / f"{epochs}_recorded", epochs)
        one = found.setdefault("listing ten means, per epoch", {})
        one[epochs] = seconds(partial(record, recorder, epochs))
        one = found.setdefault("reading the list of means, per process", {})
        one[epochs] = seconds(partial(Recorder, recorder.manifest, TENTHS, 100))
    return found


def trained(folder: Path, epochs: int) -> Path:
    """The directory of a run of the smallest experiment."""
    given = [f"paths.outputs={folder}", "experiment=smoke", f"training.epochs={epochs}"]
    subprocess.run(
        [sys.executable, TRAIN, *given, "training.threads=1", "name=run"],
        check=True,
        capture_output=True,
    )
    return folder / "runs" / "run"


def of_windows(run: Path) -> dict[int, float]:
    """The map of all windows of so many epochs, evaluated on 200 images."""
    finished, found = FinishedRun(run), {}
    evaluator, at = finished.job.evaluator(["test"]), partial(paths.checkpoint, run)
    for epochs in (6, 12, 24):
        wanted, table = windows(range(epochs), range(1, epochs + 1)), run / f"{epochs}.csv"
        found[len(wanted)] = seconds(
            partial(complete, table, at, evaluator, finished.job.batch_norm, wanted), times=1
        )
    return found


def of_distances(run: Path) -> dict[int, float]:
    """All pairs of so many checkpoints: the run's few, over and over."""
    found = {}
    for count in (25, 100, 400):
        files = {number: paths.checkpoint(run, number % 24) for number in range(count)}
        found[count] = seconds(partial(distances.between, files, paths.average(run)), times=3)
    return found


def of_lists(outputs: Path, run: Path) -> dict[str, dict[int, float]]:
    """Copies of the run and of its trajectory, listed and read."""
    (one,) = (outputs / "trajectories").glob("*/trajectory.json")
    store, runs = outputs / "copies", outputs / "copied_runs"
    store.mkdir()
    values = json.loads((run / summary.NAME).read_text())
    found: dict[str, dict[int, float]] = {"store list": {}, "analysis, reading": {}}
    done = 0
    for count in (10, 40, 160):
        for number in range(done, count):
            copied(one.parent, store / f"{number:016x}")
            copied(run, runs / str(number))
            values["config"]["seed"] = number
            (runs / str(number) / summary.NAME).unlink()
            (runs / str(number) / summary.NAME).write_text(json.dumps(values))
        done = count
        found["store list"][count] = seconds(
            lambda: [maintenance.line(entry) for entry in maintenance.entries(store)]
        )
        found["analysis, reading"][count] = seconds(lambda: load([runs]))
    return found


def copied(source: Path, target: Path) -> None:
    """By links, where files aren't changed."""
    shutil.copytree(source, target, copy_function=os.link)


def exponent(found: dict[int, float]) -> float:
    """The least-squares slope of log(time) over log(size)."""
    return statistics.linear_regression(
        [math.log(size) for size in found], [math.log(taken) for taken in found.values()]
    ).slope


def sections() -> list[Section]:
    """The table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = trained(folder / "outputs", 24)
        found = of_epochs(folder)
        found["map of windows, by windows"] = of_windows(run)
        found["distances, by checkpoints"] = of_distances(run)
        lists = of_lists(folder / "outputs", run)
        found["store list, by trajectories"] = lists["store list"]
        found["reading of the analysis, by runs"] = lists["analysis, reading"]
    rows = []
    for name, taken in found.items():
        cells = ", ".join(f"{size:,}: {1e3 * one:.3g}" for size, one in taken.items())
        rows.append([name, cells, f"{exponent(taken):.2f}"])
    note = (
        "Exponent: the slope of log(time) over log(size); of what is paid at every epoch, a total "
        "grows with one more. Medians of n = 5 (distances: 3; windows: 1)."
    )
    return [Section("Growth", ["what", "size: milliseconds", "exponent"], rows, note)]
