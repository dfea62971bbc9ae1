"""What the average is compared with, by its key in summary.json's results.

compared(runs)   # ["window_mean", "last", "last_refreshed", ...]
last_of(runs)    # "last_refreshed" for networks with batch norm
mechanism_of(runs)   # what the mechanism's comparison is with
"""

from collections.abc import Iterable

import pandas as pd

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


def mechanism_of(runs: pd.DataFrame) -> str:
    """What the average is compared with to show the mechanism, as specified beforehand: the mean of
    the window's checkpoints; of networks with batch norm, whose stored checkpoints have
    statistics of another kind than the average, the last checkpoint with refreshed ones."""
    return "last_refreshed" if last_of(runs) == "last_refreshed" else "window_mean"


def gain_over(what: str) -> str:
    """The column of the average's gain over it, on test."""
    return f"gain_over_{what}_test"


def compared(runs: pd.DataFrame, names: Iterable[str] = BASELINES) -> list[str]:
    """Those of `names` that all of the runs have a test accuracy of."""
    return [
        what
        for what in names
        if (column := f"{what}_test_accuracy") in runs and runs[column].notna().all()
    ]


def last_of(runs: pd.DataFrame) -> str:
    """The last checkpoint that is like the average: of networks with batch norm the one whose
    statistics are computed anew too, where all of the runs have it."""
    return compared(runs, ("last", "last_refreshed"))[-1]
