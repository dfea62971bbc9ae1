"""The answer: the best average against the best one could do without averaging.

    answer = answer_of(groups, ACCURACY, margin=0.002)    # groups of one budget
    answer.conclusion.kind                                         # "better", "undecided", ...

Both sides are selected on validation, over the same recipes at the same budget, by the same metric,
and compared on test, paired by seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import pandas as pd

from analysis.compare.candidates import most_tried
from analysis.compare.estimators import ESTIMATOR, RECIPE, UNAVERAGED, estimators
from analysis.compare.groups import Group, kind_of, training_images
from analysis.compare.speed import Speed, speed_of
from analysis.compare.two_way_pairs import two_way_of
from analysis.statistics.equivalence import Conclusion, conclusion
from analysis.statistics.intervals import Interval, t_interval
from analysis.statistics.sign_flip import sign_flip_test, smallest_p
from analysis.statistics.two_way import TwoWay
from analysis.units import words
from analysis.wording import window
from polyak.evaluation.metric import LOSS, Metric
from polyak.evaluation.scores import Array

MARGIN = 0.002
"""Differences below it, 0.2 points of accuracy, would not matter."""


@dataclass(frozen=True)
class Side:
    """A candidate that was selected among `candidates`, which have looked at validation `looks`
    times in all; `rows`: its scores, one row per seed."""

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
        recipe = f", {first['label']}" if first["label"] else ""
        at = f"at learning rate {first['learning_rate']:g}{recipe}"
        if not first["averaged"]:
            how = f" ({first['scheme']})" if first["scheme"] else ""
            return f"the {UNAVERAGED[str(first['estimator'])]}{how} {at}"
        epochs = window(first["start"], first["end"], first["stride"])
        return f"of {epochs} ({first['scheme']}) {at}"

    def mean(self, metric: Metric) -> float:
        """On test."""
        return float(self.rows[f"test_{metric.name}"].astype(float).mean())


@dataclass(frozen=True)
class Budget:
    """The groups of one budget, and what sets it apart from others of the same data, model and
    epochs ("" where there is none)."""

    groups: tuple[Group, ...]
    name: str

    @property
    def parts(self) -> tuple[str, str, str, str, str]:
        """Data, training images, model, epochs, and its name."""
        first = self.groups[0].runs.iloc[0]
        return (
            f"{first['dataset']}{kind_of(first)}",
            f"{training_images(self.groups)} training images",
            str(first["model"]),
            f"{first['epochs']} epochs",
            self.name,
        )

    @property
    def title(self) -> str:
        """Its parts in one line."""
        return ", ".join(filter(None, self.parts))


@dataclass(frozen=True)
class Answer(Budget):
    """`table`: the `estimators` of the recipes that are compared, and `seeds`, by which they are;
    `left_out`: recipes that lack some of the seeds, or one of the sides. `conclusion` is of
    `metric`, on test: positive where the average is better. `differences`: Student's t interval for
    every metric, with the same sign. `sign_flip`: its p, and `smallest_p` what n seeds can give.
    `two_way`: the interval over seeds and images together, or None and `without_two_way` says
    why. `speed`: on validation, unlike the rest."""

    table: pd.DataFrame
    seeds: frozenset[int]
    left_out: int
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
    speed: Speed

    @property
    def pairs(self) -> pd.DataFrame:
        """Per seed, in order: both scores on test by `metric`, and the difference."""
        column = f"test_{self.metric.name}"
        averaged, unaveraged = (
            side.rows.set_index("seed")[column].astype(float)
            for side in (self.averaged, self.unaveraged)
        )
        table = pd.DataFrame({"averaged": averaged, "unaveraged": unaveraged})
        return table.assign(difference=self.metric.sign * (averaged - unaveraged)).sort_index()


@dataclass(frozen=True)
class NoAnswer(Budget):
    """Why there is none."""

    reason: str


def answer_of(
    groups: Sequence[Group],
    metric: Metric | None = None,
    margin: float = MARGIN,
    name: str = "",
) -> Answer | NoAnswer:
    """The answer of the groups of one budget, whose `name` sets it apart from others: by `metric`,
    or by their own primary one. `margin` is in the unit of the metric."""
    given = tuple(groups)
    metric = metric or groups[0].metric
    if not all(group.has_validation for group in groups):
        return NoAnswer(given, name, "it needs a validation split: dataset.validation=0.1")
    if not all(metric in group.metrics for group in groups):
        return NoAnswer(given, name, f"not all of its runs have {words(metric)}")
    table = estimators(groups, metric)
    there = table[[f"validation_{metric.name}", f"test_{metric.name}"]].notna()
    table = table[there.all(axis=1)]
    if table.empty or not table["averaged"].any():
        return NoAnswer(given, name, "nothing was averaged")
    if table["averaged"].all():
        return NoAnswer(given, name, "no checkpoint is there that was not averaged")
    seeds, kept = _comparable(table, given)
    if not kept:
        return NoAnswer(given, name, "no recipe has seeds with an average and a checkpoint")
    left_out = table.groupby(RECIPE).ngroups - len(kept)
    table = table[table[RECIPE].apply(tuple, axis=1).isin(kept)]
    averaged, unaveraged = (
        best_of(table[table["averaged"] == kind], seeds, metric, given) for kind in (True, False)
    )
    of_metrics = {
        one: t_interval(values)
        for one in groups[0].metrics
        if all(one in group.metrics for group in groups)
        and (values := differences(averaged, unaveraged, one)) is not None
    }
    values = differences(averaged, unaveraged, metric)
    assert values is not None
    two_way, reason = two_way_of(averaged.rows, unaveraged.rows, metric)
    return Answer(
        groups=given,
        name=name,
        table=table,
        seeds=seeds,
        left_out=left_out,
        metric=metric,
        margin=margin,
        averaged=averaged,
        unaveraged=unaveraged,
        conclusion=conclusion(values, margin),
        differences=of_metrics,
        sign_flip=sign_flip_test(values),
        smallest_p=smallest_p(len(values)),
        two_way=two_way,
        without_two_way=reason,
        speed=speed_of(groups, averaged.rows, unaveraged.rows, metric),
    )


def _comparable(
    table: pd.DataFrame, groups: Sequence[Group]
) -> tuple[frozenset[int], list[tuple[object, ...]]]:
    """The seeds by which recipes are compared, and the recipes that have a candidate of each side
    for all of them: the seeds that most recipes have tried (`most_tried`), a failed or unfinished
    run counting as tried."""
    measured: dict[tuple[object, ...], frozenset[int]] = {}
    for key, rows in table.groupby(RECIPE):
        of_sides: dict[bool, set[frozenset[int]]] = {True: set(), False: set()}
        for _, one in rows.groupby(ESTIMATOR):
            of_sides[bool(one["averaged"].iloc[0])].add(frozenset(one["seed"]))
        both = {one & other for one, other in product(of_sides[True], of_sides[False])}
        if most := max(both, key=lambda seeds: (len(seeds), sorted(seeds)), default=frozenset()):
            measured[key] = most
    if not measured:
        return frozenset(), []
    unmeasured = {group.name: group.unmeasured for group in groups}
    tried = {
        key: seeds | _unmeasured(unmeasured[str(key[0])], key[1]) for key, seeds in measured.items()
    }
    seeds = most_tried(tried, measured)
    return seeds, [key for key, has in measured.items() if seeds <= has]


def _unmeasured(runs: pd.DataFrame, rate: object) -> frozenset[int]:
    if not {"learning_rate", "seed"} <= set(runs):
        return frozenset()
    same = (runs["learning_rate"] == rate).fillna(False).astype(bool)
    return frozenset(int(seed) for seed in runs.loc[same, "seed"].dropna())


def best_of(
    table: pd.DataFrame, seeds: frozenset[int], metric: Metric, groups: Sequence[Group]
) -> Side:
    """The best of one side on validation, of the candidates that have all the seeds: by the metric,
    then by loss where it is known, then in the order of their names."""
    epochs = int(groups[0].runs["epochs"].iloc[0])
    ranked: list[tuple[float, float, int, pd.DataFrame]] = []
    looks = 0
    for key, rows in table.groupby(ESTIMATOR, sort=True):
        if not seeds <= set(rows["seed"]):
            continue
        kept = rows[rows["seed"].isin(seeds)].drop_duplicates("seed").sort_values("seed")
        scores, losses = (kept[f"validation_{one.name}"].astype(float) for one in (metric, LOSS))
        score = round(metric.sign * float(scores.mean()), 12)
        loss = round(float(losses.mean()), 12) if losses.notna().all() else 0.0
        ranked.append((-score, loss, len(ranked), kept))
        looks += epochs if key[ESTIMATOR.index("estimator")] == "best_by_validation" else 1
    return Side(min(ranked, key=lambda one: one[:3])[3], len(ranked), looks)


def differences(averaged: Side, unaveraged: Side, metric: Metric) -> Array | None:
    """Per seed, positive where the first side is better on test; None where a score is missing."""
    both = [side.rows[f"test_{metric.name}"] for side in (averaged, unaveraged)]
    if any(one.isna().any() for one in both):
        return None
    one, other = (scores.to_numpy(dtype=float) for scores in both)
    difference: Array = metric.sign * (one - other)
    return difference
