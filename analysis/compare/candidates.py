"""The candidates of a group: each learning rate, window and scheme, with its runs' results.

table = candidates_of(group, comparable_seeds(group))
by_validation(table, group.metric).iloc[0]
"""

import math
from collections.abc import Mapping
from statistics import median_low
from typing import Any

import pandas as pd

from analysis.compare.baselines import BASELINES, gain_over, mechanism_of
from analysis.compare.groups import Group
from analysis.statistics.intervals import t_interval
from analysis.statistics.max_t import max_t
from analysis.statistics.significance import t_test
from polyak.evaluation.metric import Metric

CANDIDATE = ["learning_rate", "start", "end", "scheme"]
"""What is selected."""


def of_candidate(runs: pd.DataFrame, candidate: pd.Series) -> pd.DataFrame:
    """The rows of a candidate."""
    return runs[(runs[CANDIDATE] == candidate[CANDIDATE]).all(axis=1)]


def comparable_seeds(group: Group) -> frozenset[int]:
    """The seeds by which candidates are compared: the set that most candidates have tried (a failed
    run counts as tried), leaving out the smaller half of the sets, which unfinished sweeps have; of
    equals the smallest set. At least one candidate has them all."""
    measured = {
        key: frozenset(runs["seed"].tolist()) for key, runs in group.runs.groupby(CANDIDATE)
    }
    unmeasured = group.unmeasured
    tried = {}
    for key, seeds in measured.items():
        failed: set[int] = set()
        if {"learning_rate", "start", "end", "seed"} <= set(unmeasured):
            same = (
                (unmeasured["learning_rate"] == key[0])
                & (unmeasured["start"] == key[1])
                & (unmeasured["end"] == key[2])
            )
            failed = set(unmeasured.loc[same.fillna(False), "seed"].dropna().tolist())
        tried[key] = seeds | failed
    return most_tried(tried, measured)


def most_tried(
    tried: Mapping[Any, frozenset[int]], measured: Mapping[Any, frozenset[int]]
) -> frozenset[int]:
    """The set of seeds that most candidates have `tried`, of those that at least one has `measured`
    and that are no smaller than the smaller half of them; of equals the smallest set."""
    typical = median_low(len(seeds) for seeds in tried.values())
    able = [
        seeds
        for seeds in set(tried.values())
        if len(seeds) >= typical and any(seeds <= has for has in measured.values())
    ]
    return min(
        able or [max(measured.values(), key=len)],
        key=lambda seeds: (-sum(seeds <= had for had in tried.values()), len(seeds), sorted(seeds)),
    )


def candidates_of(group: Group, seeds: frozenset[int]) -> pd.DataFrame:
    """One row per candidate, in the order of its values; `complete` where it has all `seeds`, by
    whose gains alone p is adjusted for the complete ones together (`max_t`; NaN for the others).
    docs/analysis.md has the columns of candidates.csv. In the unit of the group's metric."""
    score = group.metric.name
    mechanism = gain_over(mechanism_of(group.runs))
    rows: list[dict[str, Any]] = []
    gains: dict[int, list[float]] = {}
    for key, runs in group.runs.groupby(CANDIDATE, sort=True):
        gain = t_interval(runs[mechanism].to_numpy())
        complete = seeds <= set(runs["seed"])
        shared = runs[runs["seed"].isin(seeds)] if complete else runs.iloc[:0]
        if complete:
            gains[len(rows)] = shared.sort_values("seed")[mechanism].tolist()
        rows.append(
            {
                **dict(zip(CANDIDATE, key, strict=True)),
                "stride": runs["stride"].iloc[0],
                "n": len(runs),
                "complete": complete,
                "validation": _mean(runs, f"average_validation_{score}"),
                "test": _mean(runs, f"average_test_{score}"),
                "shared_validation": _mean(shared, f"average_validation_{score}"),
                "shared_validation_loss": _mean(shared, "average_validation_loss"),
                "shared_test": _mean(shared, f"average_test_{score}"),
                **{f"{what}_test": _mean(runs, f"{what}_test_{score}") for what in BASELINES},
                **{
                    f"gain_over_{what}": _mean(runs, f"gain_over_{what}_test")
                    for what in ("window_mean", "last", "last_refreshed")
                },
                "gain": gain.mean,
                "gain_sd": gain.sd,
                "gain_low": gain.low,
                "gain_high": gain.high,
                "p": t_test(runs[mechanism].to_numpy()),
            }
        )
    table = pd.DataFrame(rows)
    adjusted = dict(zip(gains, max_t(list(gains.values())).p, strict=True))
    table["p_max_t"] = [adjusted.get(place, math.nan) for place in table.index]
    return table


def _mean(runs: pd.DataFrame, column: str) -> float:
    """Rounded, so that the order of addition decides no tie."""
    if column not in runs or runs.empty or runs[column].isna().any():
        return math.nan
    return round(math.fsum(runs[column]) / len(runs), 12)


def by_validation(candidates: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """The candidates, best first: complete ones, by the metric and then the loss on validation."""
    return candidates.sort_values(
        ["complete", "shared_validation", "shared_validation_loss"],
        ascending=[False, not metric.higher, True],
        kind="stable",
    )
