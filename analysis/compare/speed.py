"""How many epochs averaging needs for the score that one has without it, on validation alone.

    speed = speed_of(groups, averaged, unaveraged, ACCURACY)   # rows of both sides, by seed
    speed.of_unaveraged.mean, speed.of_budget.mean               # 0.64, 0.45

The target is each seed's validation score of the best candidate without averaging. Epochs are
counted from the first of training to the first whose score reaches the target: the average's, as it
grows from its window's first epoch, and by the same rule the checkpoints' of the side without
averaging: like is compared with like where the two are divided, as Ajroldi et al. (2025,
arXiv:2502.06761) do with a target that was set beforehand. Of the budget, checkpoints too may need
a part only.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.compare.groups import Group
from analysis.read.window_table import SCORES, epochs_of, growing, uniform, window_table
from analysis.statistics.intervals import t_interval
from analysis.statistics.values import SAME
from polyak.evaluation.metric import CALIBRATION_ERROR, Metric


@dataclass(frozen=True)
class OfSeed:
    """`target`: a validation score. `averaged`: epochs until the average reaches it; None where it
    doesn't within its window, whose last epoch ends the `tried`-th of training. `unaveraged`: until
    a checkpoint does; None where the checkpoints are not known."""

    seed: int
    target: float
    averaged: int | None
    tried: int
    unaveraged: int | None


@dataclass(frozen=True)
class Ratio:
    """Geometric mean of n seeds' ratios, with the 95 % t interval of the mean log ratio, back on
    the scale of ratios. Where the average of some seed doesn't reach the target there are neither,
    and `above` is what the mean is known to exceed: of those seeds, all epochs are counted that
    were tried."""

    n: int
    mean: float | None
    low: float | None
    high: float | None
    above: float | None


@dataclass(frozen=True)
class Speed:
    """`epochs` of the budget. `of_unaveraged`: the average's epochs to those of the checkpoints;
    `of_budget`: to the budget's. None where they are not known: then `reason` says what lacks, and
    `commands` give it."""

    epochs: int
    seeds: tuple[OfSeed, ...] = ()
    of_unaveraged: Ratio | None = None
    of_budget: Ratio | None = None
    reason: str = ""
    commands: tuple[str, ...] = ()

    @property
    def reached(self) -> int:
        """Of how many seeds the average reaches the target."""
        return sum(one.averaged is not None for one in self.seeds)


def speed_of(
    groups: Sequence[Group], averaged: pd.DataFrame, unaveraged: pd.DataFrame, metric: Metric
) -> Speed:
    """The speed of the rows of both sides (`estimators`): the same seeds, in the same order."""
    epochs = int(groups[0].runs["epochs"].iloc[0])
    if metric == CALIBRATION_ERROR:
        return Speed(epochs, reason="calibration is not measured after every epoch")
    of_group = {group.name: group for group in groups}
    grown = _averages(of_group[averaged["recipe"].iloc[0]], averaged, metric)
    if lacking := _without(grown):
        reason = (
            f"the average of {_seeds(lacking)} was not evaluated on validation after each epoch"
        )
        if metric.name not in SCORES:
            return Speed(epochs, reason=reason)
        if uniform(str(averaged["scheme"].iloc[0])) != averaged["scheme"].iloc[0]:
            return Speed(epochs, reason=f"{reason}: averaging.running=true")
        of_average = averaged.iloc[0]
        ends = f"{of_average['start'] + 1}:{of_average['end'] + 1}"
        options = f"--starts {of_average['start']} --ends {ends}"
        return Speed(epochs, reason=reason, commands=_windows(averaged, lacking, options))
    alone = _checkpoints(of_group[unaveraged["recipe"].iloc[0]], unaveraged, metric, epochs)
    found = []
    for row in unaveraged.to_dict("records"):
        seed, target = int(row["seed"]), float(row[f"validation_{metric.name}"])
        average, checkpoints = grown[seed], alone[seed]
        assert average is not None
        if checkpoints is not None and not pd.isna(row["epoch"]):
            checkpoints = {**checkpoints, int(row["epoch"]): target}  # whatever was rounded
        found.append(
            OfSeed(
                seed=seed,
                target=target,
                averaged=_needed(average, target, metric.sign),
                tried=max(average) + 1,
                unaveraged=_needed(checkpoints or {}, target, metric.sign),
            )
        )
    of_budget = _ratio(found, [epochs] * len(found))
    if not (lacking := _without(alone)):
        of_unaveraged = _ratio(found, [one.unaveraged or epochs for one in found])
        return Speed(epochs, tuple(found), of_unaveraged, of_budget)
    reason = f"the checkpoint of {_seeds(lacking)} was not evaluated on validation after each epoch"
    if unaveraged["estimator"].iloc[0] != "last_refreshed":
        return Speed(epochs, tuple(found), None, of_budget, reason)
    reason += " with refreshed statistics"
    return Speed(epochs, tuple(found), None, of_budget, reason, _windows(unaveraged, lacking))


def _averages(
    group: Group, rows: pd.DataFrame, metric: Metric
) -> dict[int, Mapping[int, float] | None]:
    """By seed, the average's validation score up to each epoch of its window; None where one
    lacks."""
    table = _table(group, rows)
    found: dict[int, Mapping[int, float] | None] = {}
    for row in rows.to_dict("records"):
        named = (row["fingerprint"], row["scheme"], row["start"])
        found[int(row["seed"])] = _whole(
            growing(table, *named, split="validation", score=metric.name), epochs_of(row)
        )
    return found


def _checkpoints(
    group: Group, rows: pd.DataFrame, metric: Metric, epochs: int
) -> dict[int, Mapping[int, float] | None]:
    """By seed, the checkpoints' validation score after each epoch, of statistics such as the
    candidate has: refreshed ones are those of windows of one epoch. None where one lacks."""
    table = _table(group, rows)
    found: dict[int, Mapping[int, float] | None] = {}
    for row in rows.to_dict("records"):
        if row["estimator"] == "last_refreshed":
            scheme = ", ".join(filter(None, ["uniform", row["scheme"]]))
            of_run = table[
                (table["fingerprint"] == row["fingerprint"])
                & (table["scheme"] == scheme)
                & (table["split"] == "validation")
                & (table["end"] == table["start"] + 1)
            ]
            scores = dict(zip(of_run["start"], of_run[metric.name], strict=True))
        else:
            of_run = group.epochs[group.epochs["fingerprint"] == row["fingerprint"]]
            of_run = of_run.drop_duplicates("epoch")
            column = f"val_{metric.name}"
            known = of_run[column] if column in of_run else [math.nan] * len(of_run)
            scores = dict(zip(of_run["epoch"], known, strict=True))
        found[int(row["seed"])] = _whole(scores, range(epochs))
    return found


def _table(group: Group, rows: pd.DataFrame) -> pd.DataFrame:
    """The windows of the rows' trajectories: beside any run of them. Files that can't be read are
    among the group's findings."""
    runs, epochs = (
        table[table["fingerprint"].isin(rows["fingerprint"])]
        for table in (group.runs, group.epochs)
    )
    return window_table(runs, epochs)[0]


def _whole(scores: Mapping[int, float], epochs: range) -> Mapping[int, float] | None:
    there = {epoch: scores[epoch] for epoch in epochs if not pd.isna(scores.get(epoch))}
    return there if len(there) == len(epochs) else None


def _needed(scores: Mapping[int, float], target: float, better: int) -> int | None:
    """Epochs of training up to the first whose score is the target or better."""
    reached = [epoch for epoch, score in scores.items() if better * (score - target) >= -SAME]
    return min(reached) + 1 if reached else None


def _ratio(found: Sequence[OfSeed], by: Sequence[int]) -> Ratio:
    """Of the averages' epochs to those, seed by seed."""
    needed = [one.averaged or one.tried for one in found]
    logs = t_interval(np.log(np.array(needed) / np.array(by)))
    mean = math.exp(logs.mean)
    if any(one.averaged is None for one in found):
        return Ratio(logs.n, None, None, None, mean)
    if logs.low is None or logs.high is None:
        return Ratio(logs.n, mean, None, None, None)
    return Ratio(logs.n, mean, math.exp(logs.low), math.exp(logs.high), None)


def _without(found: Mapping[int, object]) -> list[int]:
    return [seed for seed, one in found.items() if one is None]


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _windows(rows: pd.DataFrame, seeds: Sequence[int], options: str = "") -> tuple[str, ...]:
    """The commands that evaluate windows of the runs of these seeds."""
    runs = rows.loc[rows["seed"].isin(seeds), "directory"]
    if "own" in rows and rows["own"].any():  # of a training that train.py knows nothing of
        return ("polyak.open(...).run(..., running=True) of each",)
    return tuple(f"python -m polyak windows {shlex.quote(run)} {options}".strip() for run in runs)
