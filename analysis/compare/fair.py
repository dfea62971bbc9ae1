"""The answer: the best average against the best one could do without averaging.

    answer = answer_of(groups, metric="accuracy", margin=0.002)    # groups of one budget
    answer.conclusion.kind                                         # "better", "undecided", ...

Both sides are selected on validation, over the same recipes at the same budget, by the same metric,
and compared on test, paired by seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.compare.candidates import most_tried
from analysis.compare.estimators import ESTIMATOR, UNAVERAGED, estimators
from analysis.compare.groups import Group
from analysis.read.directories import AnalysisError
from analysis.read.predictions import Predictions
from analysis.statistics.equivalence import Conclusion, conclusion
from analysis.statistics.intervals import Interval, t_interval
from analysis.statistics.sign_flip import sign_flip_test, smallest_p
from analysis.statistics.two_way import TwoWay, two_way_interval
from analysis.wording import window
from polyak.evaluation.scores import Array

Metric = Literal["accuracy", "loss", "calibration_error"]
METRICS: tuple[Metric, ...] = ("accuracy", "loss", "calibration_error")
MARGIN = 0.002
"""Differences of accuracy below it, 0.2 points, would not matter."""


@dataclass(frozen=True)
class Side:
    """A candidate that was selected on validation among `candidates`, each of which has looked at
    validation `looks` times in all; `rows`: its scores, one row per seed."""

    rows: pd.DataFrame
    candidates: int
    looks: int

    @property
    def first(self) -> pd.Series:
        """What identifies it."""
        found: pd.Series = self.rows.iloc[0]
        return found

    @property
    def name(self) -> str:
        """ "of epochs 10..15 (uniform) at learning rate 0.1, schedule=Cosine", or "the last
        checkpoint at learning rate 0.02"."""
        first = self.first
        recipe = f", {first['recipe']}" if first["recipe"] else ""
        at = f"at learning rate {first['learning_rate']:g}{recipe}"
        if not first["averaged"]:
            return f"the {UNAVERAGED[str(first['estimator'])]} {at}"
        epochs = window(first["start"], first["end"], first["stride"])
        return f"of {epochs} ({first['scheme']}) {at}"

    def mean(self, metric: Metric) -> float:
        """On test."""
        return float(self.rows[f"test_{metric}"].astype(float).mean())


@dataclass(frozen=True)
class Budget:
    """The groups of one budget."""

    groups: tuple[Group, ...]

    @property
    def title(self) -> str:
        """Data, model and epochs."""
        first = self.groups[0].runs.iloc[0]
        synthetic = " (synthetic)" * bool(first["synthetic"])
        return (
            f"{first['dataset']}{synthetic}, {first['train_images']:,.0f} training images, "
            f"{first['model']}, {first['epochs']} epochs"
        )


@dataclass(frozen=True)
class Answer(Budget):
    """`conclusion` is of `metric`, on test: positive where the average is better. `differences`:
    Student's t interval for every metric, with the same sign. `sign_flip`: its p, and `smallest_p`
    what n seeds can give. `two_way`: the interval over seeds and images together, or None and
    `without_two_way` says why."""

    metric: Metric
    margin: float
    averaged: Side
    unaveraged: Side
    conclusion: Conclusion
    differences: dict[Metric, Interval]
    sign_flip: float
    smallest_p: float
    two_way: TwoWay | None
    without_two_way: str

    @property
    def pairs(self) -> pd.DataFrame:
        """Per seed, in order: both scores on test by `metric`, and the difference."""
        column = f"test_{self.metric}"
        averaged, unaveraged = (
            side.rows.set_index("seed")[column].astype(float)
            for side in (self.averaged, self.unaveraged)
        )
        table = pd.DataFrame({"averaged": averaged, "unaveraged": unaveraged})
        return table.assign(difference=_sign(self.metric) * (averaged - unaveraged)).sort_index()


@dataclass(frozen=True)
class NoAnswer(Budget):
    """Why there is none."""

    reason: str


def answer_of(
    groups: Sequence[Group], metric: Metric = "accuracy", margin: float = MARGIN
) -> Answer | NoAnswer:
    """The answer of the groups of one budget. `margin` is in the unit of the metric."""
    table, given = estimators(groups), tuple(groups)
    if not all(group.has_validation for group in groups):
        return NoAnswer(given, "it needs a validation split to select on: dataset.validation=0.1")
    table = table[table[f"validation_{metric}"].notna() & table[f"test_{metric}"].notna()]
    if table.empty or not table["averaged"].any():
        return NoAnswer(given, "nothing was averaged")
    if table["averaged"].all():
        return NoAnswer(given, "no checkpoint is there that was not averaged")
    tried = {key: frozenset(rows["seed"]) for key, rows in table.groupby(ESTIMATOR)}
    seeds = most_tried(tried, tried)
    epochs = int(groups[0].runs["epochs"].iloc[0])
    sides = [
        _best(table[table["averaged"] == kind], seeds, metric, epochs) for kind in (True, False)
    ]
    averaged, unaveraged = sides
    if averaged is None or unaveraged is None:
        return NoAnswer(given, "no average and no checkpoint have the same seeds")
    differences = {
        name: t_interval(values)
        for name in METRICS
        if (values := _differences(averaged, unaveraged, name)) is not None
    }
    values = _differences(averaged, unaveraged, metric)
    assert values is not None
    two_way, reason = _two_way(averaged, unaveraged, metric)
    return Answer(
        groups=given,
        metric=metric,
        margin=margin,
        averaged=averaged,
        unaveraged=unaveraged,
        conclusion=conclusion(values, margin),
        differences=differences,
        sign_flip=sign_flip_test(values),
        smallest_p=smallest_p(len(values)),
        two_way=two_way,
        without_two_way=reason,
    )


def _sign(metric: Metric) -> int:
    return 1 if metric == "accuracy" else -1


def _best(table: pd.DataFrame, seeds: frozenset[int], metric: Metric, epochs: int) -> Side | None:
    """The best of one side on validation, of the candidates that have all the seeds: by the metric,
    then by loss, then in the order of their names."""
    ranked: list[tuple[float, float, int, pd.DataFrame]] = []
    looks = 0
    for key, rows in table.groupby(ESTIMATOR, sort=True):
        if not seeds <= set(rows["seed"]):
            continue
        kept = rows[rows["seed"].isin(seeds)].drop_duplicates("seed").sort_values("seed")
        score = round(_sign(metric) * float(kept[f"validation_{metric}"].astype(float).mean()), 12)
        loss = round(float(kept["validation_loss"].astype(float).mean()), 12)
        ranked.append((-score, loss, len(ranked), kept))
        looks += epochs if key[ESTIMATOR.index("estimator")] == "best_by_validation" else 1
    if not ranked:
        return None
    return Side(min(ranked, key=lambda one: one[:3])[3], len(ranked), looks)


def _differences(averaged: Side, unaveraged: Side, metric: Metric) -> Array | None:
    """Per seed, positive where the average is better; None where a score is missing."""
    both = [side.rows[f"test_{metric}"] for side in (averaged, unaveraged)]
    if any(one.isna().any() for one in both):
        return None
    one, other = (scores.to_numpy(dtype=float) for scores in both)
    difference: Array = _sign(metric) * (one - other)
    return difference


def _two_way(averaged: Side, unaveraged: Side, metric: Metric) -> tuple[TwoWay | None, str]:
    if metric == "calibration_error":
        return None, "calibration is of all images together"
    rows = []
    try:
        pairs = zip(
            averaged.rows.to_dict("records"), unaveraged.rows.to_dict("records"), strict=True
        )
        for one, other in pairs:
            scores = [_by_image(row, metric) for row in (one, other)]
            if len(scores[0]) != len(scores[1]):
                return None, "the two have other test images"
            rows.append(_sign(metric) * (scores[0] - scores[1]))
        if len({len(row) for row in rows}) > 1:
            return None, "the seeds have other test images"
    except AnalysisError as error:
        return None, str(error)
    return two_way_interval(np.stack(rows)), ""


def _by_image(row: Mapping[Any, Any], metric: Metric) -> Array:
    """float64 [images]: whether the prediction is right, or its loss in nats."""
    found = Predictions(Path(str(row["directory"])), "test")
    what = row["estimator"]
    given = found.log_probabilities(
        what if what in ("average", "last_refreshed") else int(row["epoch"])
    )
    if metric == "accuracy":
        return found.correct(given).astype(np.float64)
    loss: Array = -given[np.arange(len(given)), found.labels]
    return loss
