"""Opens a recorded training: any average of it, every window, every width, a run of it.

    study = polyak.open("outputs/recorded/my_run", evaluate)
    study.average(start=10).scores["test"]["accuracy"]
    study.windows().groupby(["start", "end"]).first()
    study.run(start=10)         # a directory as train.py's, for python -m analysis

`evaluate(state_dict)` gives `{split: (logits, labels)}` or `{split: {metric: value}}`.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from polyak.config import scheme as schemes
from polyak.errors import ConfigError
from polyak.evaluation.metric import Metric
from polyak.maps import windows
from polyak.maps.bar import Bar, no_bar
from polyak.maps.widths import SHARES, Widths
from polyak.records import widths as width_records
from polyak.records import windows as window_records
from polyak.runs.treatment import Mode
from polyak.store import paths
from polyak.store.manifest import Manifest
from polyak.study import means, run, tables
from polyak.study.average import Averaged
from polyak.study.evaluation import Evaluation, Function
from polyak.study.opened import Opened, locked, manifest_of, of_metric, scheme_of
from polyak.study.statistics import Batches, Statistics
from polyak.weights import checkpoint


def open(
    directory: str | os.PathLike[str],
    evaluate: Function,
    *,
    refresh: Batches | None = None,
    model: nn.Module | None = None,
    batch_norm: Mode = "refresh",
    metric: str | Metric = "accuracy",
    directions: Mapping[str, bool] | None = None,
) -> "Study":
    """The study of a recording. `evaluate` takes a state dict on CPU; `refresh` are batches of
    training inputs for the running statistics of `model`, which is copied. By `metric` averages are
    compared and selected: a name that is known, or a Metric; `directions` says of further ones
    whether more is better, and these too are written into the summaries of runs.

    The first epoch is evaluated at once: where it was before, by the same function, its scores must
    be the same.

    Raises StoreError for a directory without a recording, or with a recorder at work; ConfigError
    for weights with running statistics of which nothing is said; EvaluationError for a function
    that doesn't evaluate.
    """
    path = Path(directory).absolute()
    lock = locked(path)
    try:
        manifest_of(path)
        weights = checkpoint.load(paths.checkpoint(path, 0))
        statistics = Statistics(weights, model=model, batches=refresh, mode=batch_norm)
    finally:
        lock.release()
    primary = of_metric(metric)
    found = Study(Opened(path, Evaluation(evaluate, primary.name), statistics, primary, directions))
    found._begin()
    return found


class Study:
    """A recording and what evaluates it. Made by `polyak.open`."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    @property
    def directory(self) -> Path:
        """Of the recording."""
        return self._opened.directory

    @property
    def epochs(self) -> int:
        """How many are recorded."""
        return Manifest.open(self.directory).trained

    @property
    def title(self) -> str:
        """For figures: its name, and what becomes of running statistics."""
        treatment = self._opened.batch_norm
        words = f"\nbatch norm of every average: {treatment.words}" if treatment.there else ""
        return self.directory.name + words

    def last(self) -> dict[str, float]:
        """What the last checkpoint scores by the primary metric, by split."""
        with self._opened as recording:
            found = recording.kept.scores(recording.epochs - 1)
            return {split: one.by_name[recording.metric.name] for split, one in found.items()}

    def average(
        self,
        start: float = 0,
        end: int | None = None,
        *,
        scheme: str = "uniform",
        of: str = "checkpoints",
        **parameters: Any,
    ) -> Averaged:
        """The average of the checkpoints of epochs [start, end), or with of="steps" of the step
        means in them; `scheme` and `parameters` as conf/averaging/ names them: scheme="ema",
        half_life=500, of="steps".

        Raises ConfigError for a window or scheme that can't be, CheckpointError for weights that
        can't be averaged, EvaluationError as `polyak.open` does.
        """
        chosen = scheme_of(scheme, parameters)
        with self._opened as recording:
            window, recorded = recording.window(start, end, of, chosen)
            recording.manifest.check_intact(window)
            records = recording.kept.records() if chosen.needs_validation else ()
            averager = recording.averager(records=records, recorded=recorded)
            return Averaged.of(averager.average(window, chosen, chosen.description), self.directory)

    def windows(
        self,
        starts: Iterable[int] | None = None,
        ends: Iterable[int] | None = None,
        *,
        bar: Bar = no_bar,
        spent: windows.Spent | None = None,
    ) -> pd.DataFrame:
        """The uniform average of every window [start, end), a row per split; kept in windows.csv in
        the recording: interrupted, the same call continues. Raises as `average` does, and
        PolyakError for a windows.csv that isn't of this evaluation."""
        with self._opened as recording:
            epochs, path = recording.epochs, self.directory / window_records.TABLE.name
            wanted = windows.windows(
                _within("starts", starts, range(epochs)),
                _within("ends", ends, range(1, epochs + 1)),
            )
            tables.claim(self.directory, recording.tables, tables.WINDOWS)
            recording.manifest.check_intact(range(max(end for _, end in wanted)))
            rows = windows.complete(
                path,
                partial(paths.checkpoint, self.directory),
                recording.evaluation,
                recording.batch_norm,
                wanted,
                spent=spent,
                bar=bar,
                metric=recording.metric,
            )
        return pd.DataFrame(map(asdict, rows))

    def widths(self, shares: Sequence[float] = SHARES, *, bar: Bar = no_bar) -> pd.DataFrame:
        """Averages of step means of every width that end where the training does, a row per split:
        of about so many `shares` of the training, and EMAs of such half-lives; kept in widths.csv.
        Raises as `windows` does, and ConfigError where there are no step means."""
        with self._opened as recording:
            path = self.directory / width_records.TABLE.name
            recorded = means.window(recording.manifest, 0, recording.epochs)
            found = Widths.of(recorded, recorded.intervals.per_epoch * recording.epochs)
            tables.claim(self.directory, recording.tables, tables.WIDTHS)
            rows = found.complete(
                path,
                self.directory,
                recording.evaluation,
                recording.batch_norm,
                found.wanted(shares),
                bar=bar,
                metric=recording.metric,
            )
        return pd.DataFrame(map(asdict, rows))

    def run(
        self,
        start: float = 0,
        end: int | None = None,
        *,
        scheme: str = "uniform",
        of: str = "checkpoints",
        running: bool = False,
        out: str | os.PathLike[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Path:
        """A run's directory as train.py leaves it, whose average is that of `average`; by default
        beside the folder of the recording: outputs/recorded_runs/my_run/start=10. A finished one of
        the same is found again. With `running`, the average is also evaluated up to each epoch.

        The analysis compares trainings by their settings, of which `settings` may add what the
        recording lacks; it needs `lr` and `seed`, and a function that evaluates on test.

        Raises as `average` does; PolyakError for a directory that isn't a run's to use, or another
        run's.
        """
        made = scheme_of(scheme, parameters)
        chosen = schemes.described(scheme, parameters)
        wanted = run.Wanted(start, end, of, made, chosen, running)
        with self._opened as recording:
            return run.write(recording, wanted, Path(out) if out else None, settings)

    def _begin(self) -> None:
        with self._opened as recording:
            recording.kept.check()
            tables.begin(self.directory, recording.tables)


def _within(name: str, given: Iterable[int] | None, allowed: range) -> list[int]:
    found = list(allowed if given is None else given)
    if not found or any(type(one) is not int or one not in allowed for one in found):
        raise ConfigError(f"{name} = {found[:5]}: allowed: from {allowed[0]} to {allowed[-1]}")
    return found
