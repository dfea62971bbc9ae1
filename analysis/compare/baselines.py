"""What the average is compared with, by its key in summary.json's results.

metric_of(runs)  # the primary metric of a group's runs
compared(runs)   # ["window_mean", "last", "last_refreshed", ...]
last_of(runs)    # "last_refreshed" for networks with batch norm
mechanism_of(runs)   # what the mechanism's comparison is with
"""

from collections.abc import Iterable

import pandas as pd

from analysis.units import words
from polyak.evaluation.metric import ACCURACY, Metric

BASELINES = {
    "window_mean": "the mean of the window's checkpoints",
    "last": "the last checkpoint",
    "last_refreshed": "the last checkpoint with refreshed statistics",
    "best_by_validation": "the best checkpoint by validation",
    "ensemble": "the ensemble of the window's checkpoints",
}

SHORT = {
    "average": "average",
    "window_mean": "mean checkpoint",
    "last": "last checkpoint",
    "last_refreshed": "last, refreshed",
    "best_by_validation": "best by validation",
    "ensemble": "ensemble",
}
"""For legends and titles."""


def metric_of(runs: pd.DataFrame) -> Metric:
    """The primary metric, which the runs of a group have in common."""
    found: Metric = runs["metric"].iloc[0]
    return found


def without_logits(runs: pd.DataFrame) -> str:
    """Why nothing is made from the logits of a group's runs; "" where it is."""
    if (metric := metric_of(runs)) != ACCURACY:
        return f"made from logits, and these runs are compared by {words(metric)}"
    column = "ensemble_test_accuracy"
    if column not in runs or runs[column].isna().all():
        return "made from logits, which the runs lack"
    return ""


def mechanism_of(runs: pd.DataFrame) -> str:
    """What the average is compared with to show the mechanism, as specified beforehand: the mean of
    the window's checkpoints; of networks with batch norm, whose stored checkpoints have
    statistics of another kind than the average, the last checkpoint with refreshed ones."""
    return "last_refreshed" if last_of(runs) == "last_refreshed" else "window_mean"


def gain_over(what: str) -> str:
    """The column of the average's gain over it, on test."""
    return f"gain_over_{what}_test"


def compared(runs: pd.DataFrame, names: Iterable[str] = BASELINES) -> list[str]:
    """Those of `names` that all of the runs have a test score of, by their primary metric."""
    metric = metric_of(runs)
    return [
        what
        for what in names
        if (column := f"{what}_test_{metric.name}") in runs and runs[column].notna().all()
    ]


def last_of(runs: pd.DataFrame) -> str:
    """The last checkpoint that is like the average: of networks with batch norm the one whose
    statistics are computed anew too, where all of the runs have it."""
    return compared(runs, ("last", "last_refreshed"))[-1]
