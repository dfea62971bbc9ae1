"""A run's directory of a recorded training: what train.py leaves of its own, for the analysis.

path = write(opened, wanted, out=None, settings={})
python -m analysis outputs/recorded_runs
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from polyak.averaging.scheme import Scheme
from polyak.errors import ConfigError, EvaluationError
from polyak.evaluation.scores import Scores
from polyak.naming import epochs_of, name_of
from polyak.records.comparison import Comparison
from polyak.records.summary import Summary, Window
from polyak.runs import comparison, figures, metrics, records
from polyak.runs.average import Average, ensemble_scores
from polyak.runs.directory import claimed
from polyak.runs.recorded import RecordedWindow
from polyak.store import linked, paths
from polyak.store.record import EpochRecord
from polyak.study import described
from polyak.study.answers import Answers
from polyak.study.opened import Opened
from polyak.weights import checkpoint


@dataclass(frozen=True)
class Wanted:
    """The average of a run: the window [start, end) `of` checkpoints or steps, and the scheme, as
    an object and as a configuration has it; with `running`, evaluated up to each epoch."""

    start: float
    end: int | None
    of: str
    scheme: Scheme
    chosen: Mapping[str, Any]
    running: bool

    @property
    def name(self) -> str:
        """Of the run's directory: "start=10", "start=10,scheme=ema,half_life=500,of=steps"."""
        parameters = {key: one for key, one in self.chosen.items() if key != "_target_"}
        said = {
            "start": self.start,
            **({} if self.end is None else {"end": self.end}),
            **({} if self.scheme.name == "uniform" else {"scheme": self.scheme.name}),
            **parameters,
            **({} if self.of == "checkpoints" else {"of": self.of}),
            **({"running": True} if self.running else {}),
        }
        text = ",".join(f"{key}={value}" for key, value in said.items())
        return "".join(one if one.isalnum() or one in "=,._-" else "_" for one in text)[:200]


@dataclass(frozen=True)
class _Labelled:
    labels: torch.Tensor


def write(
    recording: Opened, wanted: Wanted, out: Path | None, settings: Mapping[str, Any] | None
) -> Path:
    """Write it, or find it finished, and return its directory: by default
    `<folder of recordings>_runs/<recording>/<wanted>`."""
    window, recorded = recording.window(wanted.start, wanted.end, wanted.of, wanted.scheme)
    if wanted.running and not wanted.scheme.running:
        raise ConfigError(
            f"running = True: allowed: not with {wanted.scheme.name}, which weights the window as "
            "a whole"
        )
    if "test" not in recording.evaluation.splits:
        raise EvaluationError(
            f"{recording.evaluation.name} evaluates on no test split; allowed: with one, which a "
            "run reports on"
        )
    made_with = described.settings_of(recording.manifest, settings)
    config = described.configured(made_with, recording.manifest, _averaging(recording, wanted))
    config["evaluation"] = {
        "name": recording.evaluation.name,
        "source": recording.evaluation.source,
    }
    directory = recording.directory
    runs = directory.parent.with_name(f"{directory.parent.name}_runs")
    run = (out or runs / directory.name / wanted.name).absolute()
    with claimed(run) as this:
        if this.finished(config):
            _check_same(run, recording)
            return run
        with this.stage("evaluation"):
            epochs = recording.kept.records()
        linked.note(recording.manifest.directory, run)
        with this.stage("averaging"):
            _link(recording, run, recorded)
            averager = recording.averager(run, epochs, recorded)
            method = _method(recording, wanted)
            average = averager.average(window, wanted.scheme, method, running=wanted.running)
            refreshed = averager.last_refreshed(window)
        this.part("batch_norm", of="averaging", seconds=recording.batch_norm.seconds)
        with this.stage("ensemble"):
            ensemble = _ensemble(run, recording.evaluation.first, window, average)
        with this.stage("recording"):
            metrics.write_metrics(run / "metrics.csv", epochs, average.growth)
            _save_labels(run, recording.evaluation.first)
            average.save(run)
        compared = comparison.compare(
            *(epochs, window, average.scores, ensemble, refreshed),
            metric=recording.metric,
            directions=recording.directions,
        )
        with this.stage("figures"):
            _draw(run, recording, config, epochs, average, compared, recorded is not None)
        summary = Summary(
            **{name: getattr(compared, name) for name in type(compared).model_fields},
            config=config,
            overrides=[],
            dataset=described.data(made_with, recording.manifest, recording.evaluation.first),
            fingerprint=recording.manifest.values["fingerprint"],
            training_split="not recorded",
            evaluation_keys=recording.evaluation.keys,
            window=recorded.summary(window) if recorded else Window.of(window),
            scheme=method,
            weights=list(average.weights),
            trajectory="reused",
            seconds=this.seconds,
            environment=recording.manifest.environment(recording.epochs - 1),
        )
        table = comparison.table(compared, window, average.description, average.start)
        this.finish(summary, table)
    return run


def _averaging(recording: Opened, wanted: Wanted) -> dict[str, Any]:
    return {
        "of": wanted.of,
        "start": wanted.start,
        "end": wanted.end,
        "stride": 1,
        "running": wanted.running,
        "batch_norm": recording.batch_norm.mode if recording.batch_norm.there else None,
        "scheme": dict(wanted.chosen),
    }


def _check_same(run: Path, recording: Opened) -> None:
    """A finished run of the same configuration is this one where its evaluation is."""
    found = Summary.read(run)
    if (found.evaluation_keys, found.fingerprint) != (
        recording.evaluation.keys,
        recording.manifest.values["fingerprint"],
    ):
        raise ConfigError(
            f"{run}: has a run of another recording or evaluation; allowed: another out="
        )


def _link(recording: Opened, run: Path, recorded: RecordedWindow | None) -> None:
    keys = recording.evaluation.keys if recording.evaluation.first else {}
    for epoch in range(recording.epochs):
        records.link_epoch(run, recording.directory, keys, epoch)
        if recorded:
            recorded.link(recording.directory, run, epoch)


def _method(recording: Opened, wanted: Wanted) -> str:
    """How it is averaged, in words: as train.py says it."""
    name, comma, parameters = wanted.scheme.description.partition(",")
    over = " over steps" if wanted.of == "steps" else ""
    kinds = {"refresh": "", "average": ", batch norm averaged"}
    kinds["last"] = ", batch norm of the last checkpoint"
    treated = kinds[recording.batch_norm.mode] if recording.batch_norm.there else ""
    return f"{name}{over}{comma}{parameters}{treated}"


def _ensemble(
    run: Path, found: Answers, window: range, average: Average
) -> dict[str, Scores] | None:
    """None of metrics: it needs logits."""
    splits = {split: _Labelled(labels) for split, labels in found.labels.items()}
    return ensemble_scores(run, splits, window, average.by_epoch) if splits else None


def _save_labels(run: Path, found: Answers) -> None:
    for split, labels in found.labels.items():
        tensors = {"labels": labels, "image_ids": torch.arange(len(labels))}
        checkpoint.save(paths.predictions(run, split, "labels"), tensors)


def _draw(
    run: Path,
    recording: Opened,
    config: Mapping[str, Any],
    epochs: list[EpochRecord],
    average: Average,
    compared: Comparison,
    recorded: bool,
) -> None:
    model, optimizer = name_of(config["model"]), name_of(config["optimizer"])
    scores = [epochs[epoch].scores["test"] for epoch in average.window]
    figures.accuracy(
        run / "figures" / "accuracy.png",
        title=f"{config['dataset']['name']}, {recording.directory.name}\n{model}, {optimizer} lr "
        f"{config['optimizer']['lr']:g}, seed {config['seed']}, average of "
        f"{epochs_of(average.window, average.start)} ({average.method})",
        window=average.window,
        checkpoints=[one.by_name[recording.metric.name] for one in scores],
        results=compared.results,
        metric=recording.metric,
        recorded=recorded,
    )
