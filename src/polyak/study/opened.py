"""A recording that is held, and what reads it: its manifest, kept evaluations, averages.

with Opened(directory, evaluation, statistics) as opened:
    opened.averager().average(range(10, 20), Uniform(), "uniform")
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from polyak import files
from polyak.averaging.scheme import Scheme
from polyak.config import scheme as schemes
from polyak.errors import ConfigError, StoreError
from polyak.evaluation.metric import ACCURACY, KNOWN, Metric
from polyak.recorder.directory import lock_of
from polyak.records import trajectory
from polyak.records.evaluations import Tables
from polyak.runs.average import Averager
from polyak.runs.recorded import RecordedWindow
from polyak.runs.treatment import Treatment
from polyak.store import paths
from polyak.store.manifest import Manifest
from polyak.store.record import EpochRecord
from polyak.study import means
from polyak.study.evaluation import Evaluation
from polyak.study.kept import Kept


def locked(directory: Path) -> FileLock:
    """The lock of a recording, held. Raises StoreError where there is no recording, or another
    holds it."""
    if not (directory / trajectory.NAME).is_file():
        raise StoreError(
            f"{directory}: has no {trajectory.NAME}; allowed: the directory of a polyak.Recorder, "
            "or one that polyak.adopt made"
        )
    paths.check_trajectory(directory)
    lock = lock_of(directory)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StoreError(
            f"{directory}: a recorder is at work here, or another study; allowed: after the "
            "recorder's close()"
        ) from None
    files.remove_half_written(directory, paths.TRAJECTORY)  # by a study that was killed
    return lock


def manifest_of(directory: Path) -> Manifest:
    """Of a recording that has epochs. Raises StoreError."""
    found = Manifest.open(directory)
    if "settings" not in found.values["ingredients"]:
        raise StoreError(
            f"{directory}: is a trajectory of train.py's; allowed: python -m polyak windows RUN, "
            "with the directory of a run"
        )
    if not found.trained:
        raise StoreError(f"{directory}: has no epoch yet")
    return found


class Opened:
    """The recording, held within `with`."""

    def __init__(
        self,
        directory: Path,
        evaluation: Evaluation,
        batch_norm: Treatment,
        metric: Metric = ACCURACY,
        directions: Mapping[str, bool] | None = None,
    ) -> None:
        self.directory, self.evaluation, self.batch_norm = directory, evaluation, batch_norm
        self.metric, self.directions = metric, dict(directions or {})

    def __enter__(self) -> Self:
        self._lock = locked(self.directory)
        try:
            self.manifest = manifest_of(self.directory)
            self.kept = Kept(self.evaluation, self.manifest)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.manifest.fold()
        self._lock.release()

    @property
    def epochs(self) -> int:
        """How many there are."""
        return self.manifest.trained

    @property
    def tables(self) -> Tables:
        """By what the recording's tables are evaluated."""
        return Tables(
            evaluate=self.evaluation.name[:300],
            source=self.evaluation.source,
            keys=self.evaluation.keys,
            batch_norm=self.batch_norm.mode if self.batch_norm.there else None,
            metric=self.metric.name,
            weights_sha256=[self.manifest.weights(epoch) for epoch in range(self.epochs)],
        )

    def averager(
        self,
        run: Path | None = None,
        records: Sequence[EpochRecord] = (),
        recorded: RecordedWindow | None = None,
    ) -> Averager:
        """Of the checkpoints in a run's directory, or else in the recording."""
        return Averager(
            *(run or self.directory, records, self.evaluation, self.batch_norm, recorded),
            metric=self.metric,
        )

    def window(
        self, start: float, end: int | None, of: str, scheme: Scheme
    ) -> tuple[range, RecordedWindow | None]:
        """The epochs of [start, end), and their step means where those are averaged. Raises
        ConfigError where there are none, or the scheme doesn't fit."""
        last = self.epochs if end is None else end
        if of not in ("checkpoints", "steps"):
            raise ConfigError(f"of = {of!r}: allowed: checkpoints, steps")
        if type(last) is not int or not 0 < last <= self.epochs:
            raise ConfigError(f"end = {end!r}: allowed: from 1 to {self.epochs}, or None")
        if type(start) not in (int, float) or not 0 <= start < last:
            raise ConfigError(f"start = {start!r}: allowed: from 0, below end = {last}")
        if of == "checkpoints" and start % 1:
            raise ConfigError(f'start = {start}: allowed: a whole number, or of="steps"')
        epochs = range(math.floor(start), last)
        if of == "steps":
            found = means.window(self.manifest, start, last)
            found.check(scheme)
            return epochs, found
        if scheme.needs_steps:
            raise ConfigError(f'of = {of}: {scheme.name} weights steps; allowed: of="steps"')
        if scheme.needs_validation and "validation" not in self.evaluation.splits:
            raise ConfigError(
                f"scheme = {scheme.name}: chooses on validation; allowed: with a function that "
                "evaluates on validation too"
            )
        if not scheme.needs_validation:
            try:
                scheme.weights(epochs)
            except ValueError as error:
                raise ConfigError(f"scheme = {scheme.name}: {error}") from None
        return epochs, None


def scheme_of(name: str, values: Mapping[str, Any]) -> Scheme:
    """A scheme by name and parameters. Raises ConfigError."""
    try:
        schemes.described(name, {})
    except ConfigError as error:
        raise ConfigError(f"scheme = {error}") from None
    try:
        return schemes.named(name, values)
    except ConfigError as error:
        raise ConfigError(f"scheme = {name}: {error}") from None


def of_metric(given: str | Metric) -> Metric:
    """A metric, by its name where that is known. Raises ConfigError."""
    if isinstance(given, Metric):
        return given
    if given not in KNOWN:
        raise ConfigError(
            f"metric = {files.shown(given)}: allowed: {', '.join(KNOWN)}, or "
            f"polyak.Metric({files.shown(given)}, higher=True) or higher=False"
        )
    return KNOWN[given]
