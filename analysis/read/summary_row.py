"""One run's summary.json and configuration, as a row of plain values.

row = finished(Summary.read(run))
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.read.directories import AnalysisError
from polyak.evaluation.metric import Metric
from polyak.naming import name_of
from polyak.records.comparison import Result
from polyak.records.reading import escaped, shown
from polyak.records.summary import Summary, flat

WHOLE_NUMBERS = (
    *("seed", "epochs", "start", "end", "stride", "count"),
    *("train_images", "validation_images", "test_images"),
    *("last_epoch", "last_refreshed_epoch"),
    *("best_by_validation_epoch", "best_by_test_oracle_epoch"),
)
"""Columns of integers; `start` where no window begins within an epoch (`whole_numbers`)."""

REFERENCES = ("window_mean", "last")
"""What every finished run compares its average with, on test."""


def configured(config: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a configuration, resolved or not: None for what isn't resolved. Raises
    AnalysisError for anything but a configuration."""
    try:
        epochs = _whole(config["training"]["epochs"])
        end = config["averaging"]["end"]
        return {
            **{part: text(name_of(config[part])) for part in ("model", "optimizer", "schedule")},
            "learning_rate": float(rate) if _finite(rate := config["optimizer"]["lr"]) else None,
            "seed": _whole(config["seed"]),
            "epochs": epochs,
            "start": start if _finite(start := config["averaging"]["start"]) else None,
            "end": epochs if end is None else _whole(end),
            "config": {text(key): legible(value) for key, value in flat(config).items()},
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise AnalysisError(f"config is no configuration of train.py: {shown(error)}") from error


def finished(summary: Summary) -> dict[str, Any]:
    """The columns of a summary: accuracies, calibration errors and their gains as fractions, losses
    in nats. `metric` is the primary one, `metrics_known` all that it says the direction of. Raises
    AnalysisError where something that is needed is not in it."""
    data, sizes = summary.dataset, summary.dataset.sizes
    numbers = _results(summary.results)
    known = tuple(Metric(name, higher) for name, higher in summary.metrics.items())
    metric = next(one for one in known if one.name == summary.primary)
    row = {
        "status": "finished",
        "dataset": text(data.name),
        "own": "paths" not in summary.config,
        "synthetic": data.synthetic,
        "substitute_for": None if data.substitute_for is None else text(data.substitute_for),
        **configured(summary.config),
        "metric": metric,
        "metrics_known": known,
        **summary.window.model_dump(exclude={"recording"}),
        **{f"{name}_images": sizes.get(name) for name in ("train", "validation", "test")},
        "scheme": text(summary.scheme),
        "weights": tuple(summary.weights),
        "fingerprint": text(summary.fingerprint),
        "training_key": text(summary.training_split),
        "test_key": legible(summary.evaluation_keys.get("test")),
        "validation_key": legible(summary.evaluation_keys.get("validation")),
        "trajectory": summary.trajectory,
        "seconds": math.fsum(summary.seconds.values()),
        **{
            key: legible(summary.environment.get(key))
            for key in ("device", "hardware", "threads", "precision", "commit", "python", "torch")
        },
    }
    needed = ["seed", "epochs", "learning_rate", "test_key"]
    lacking = [name for name in needed if row[name] is None]
    lacking += [
        f"{what}_{split}_{metric.name}"
        for what in dict.fromkeys(("average", *REFERENCES, *summary.results))
        for split in _splits(summary.results, what)
        if f"{what}_{split}_{metric.name}" not in numbers
    ]
    if lacking:
        raise AnalysisError(f"summary.json: no {lacking[0]}")
    return row | numbers | _gains(summary.results, metric)


def whole_numbers(table: pd.DataFrame) -> list[str]:
    """Those of WHOLE_NUMBERS that a table has, and that are whole in all of its rows."""
    there = [name for name in WHOLE_NUMBERS if name in table]
    within = "start" in there and bool((table["start"].dropna() % 1).any())
    return [name for name in there if not (within and name == "start")]


def _results(results: Mapping[str, Result | None]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for what, result in results.items():
        if result is None:  # no validation split
            continue
        numbers |= {} if result.epoch is None else {f"{what}_epoch": result.epoch}
        for split, scores in result.splits.items():
            numbers |= {f"{what}_{split}_{name}": value for name, value in scores.by_name.items()}
    return numbers


def _splits(results: Mapping[str, Result | None], what: str) -> tuple[str, ...]:
    """Those on which it needs a score: what every run must have, on test at least."""
    if (result := results.get(what)) is not None:
        return tuple(result.splits)
    return ("test",) if what in ("average", *REFERENCES) else ()


def _gains(results: Mapping[str, Result | None], metric: Metric) -> dict[str, float]:
    """By how much the average is better than every other one, on each split."""
    scores = {what: result.splits for what, result in results.items() if result is not None}
    average = scores["average"]
    return {
        f"gain_over_{what}_{split}": metric.sign
        * (average[split].by_name[metric.name] - of_splits[split].by_name[metric.name])
        for split in ("validation", "test")
        for what, of_splits in scores.items()
        if what != "average" and split in of_splits and split in average
    }


def text(value: Any) -> str:
    """Valid UTF-8 without control characters: names of files may hold others."""
    return escaped(str(value), keeping="\n")


def legible(value: Any) -> Any:
    """A value; of a text, as `text` has it."""
    return text(value) if isinstance(value, str) else value


def _whole(value: Any) -> int | None:
    """An integer that fits a table's int64."""
    return value if type(value) is int and abs(value) < 2**63 else None


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
