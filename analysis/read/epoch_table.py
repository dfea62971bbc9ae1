"""The epochs of many runs: their metrics.csv, stacked.

table, problems = stack(runs)
"""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.wording import count
from polyak.records.metrics import COLUMNS, OTHER, Metrics

RUN_COLUMNS = ("learning_rate", "seed", "start", "end", "scheme", "fingerprint", "status")
"""Columns of the run that each of its epochs repeats."""


def stack(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One row per run and epoch, from the Metrics in the column `metrics`, with the columns of the
    metrics that summaries name; and the problems of the files: one line per kind, with how many
    runs have it and the name of the first."""
    known = [name for name in RUN_COLUMNS if name in runs]
    others = _others(runs)
    columns: dict[str, list[Any]] = {name: [] for name in ("run", *known, *COLUMNS, *others)}
    affected: dict[str, list[str]] = {}
    for run in runs.to_dict("records"):
        metrics = run["metrics"]
        if not isinstance(metrics, Metrics):
            continue
        if metrics.problem:
            affected.setdefault(metrics.problem, []).append(run["run"])
        for name in ("run", *known):
            columns[name] += [run[name]] * len(metrics)
        for name, values in metrics.columns.items():
            columns[name] += values
        for name in others:
            columns[name] += metrics.others.get(name, [math.nan] * len(metrics))
    table = pd.DataFrame(columns)
    table["epoch"] = table["epoch"].astype(int)
    problems = [
        f"metrics.csv of {count(len(names), 'run')} ({names[0]}"
        f"{', ...' if len(names) > 1 else ''}): {problem}"
        for problem, names in affected.items()
    ]
    return table, problems


def _others(runs: pd.DataFrame) -> list[str]:
    """The columns beside COLUMNS of metrics that a summary says the direction of: any other name
    may be anything."""
    given: Iterable[Any] = runs["metrics_known"].dropna() if "metrics_known" in runs else []
    known = {metric.name for metrics in given for metric in metrics}
    found = dict.fromkeys(
        name
        for metrics in runs["metrics"]
        if isinstance(metrics, Metrics)
        for name in metrics.others
        if (match := OTHER.fullmatch(name)) and match["metric"] in known
    )
    return list(found)
