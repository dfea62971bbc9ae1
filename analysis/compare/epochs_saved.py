"""How many epochs earlier the average is as accurate as the last checkpoint."""

from collections.abc import Mapping

import pandas as pd

from analysis.compare.baselines import last_of
from analysis.read.window_table import epochs_of, growing


def epochs_saved(windows: pd.DataFrame, runs: pd.DataFrame) -> list[tuple[int, int | None]]:
    """Seed and epochs saved of each of a candidate's runs (see `saved`), against the last
    checkpoint that is like the average (`last_of`). Empty where any of them lacks the average after
    every epoch of its window."""
    last = last_of(runs)
    found: list[tuple[int, int | None]] = []
    for run in runs.to_dict("records"):
        running = growing(windows, run["fingerprint"], run["scheme"], run["start"])
        window = epochs_of(run)
        if not set(window) <= set(running):
            return []
        within = {epoch: running[epoch] for epoch in window}
        found.append((int(run["seed"]), saved(within, run[f"{last}_test_accuracy"])))
    return found


def saved(running: Mapping[int, float], last_accuracy: float) -> int | None:
    """Of the average's accuracy up to and including each epoch of a window: how many epochs before
    the last one it reaches `last_accuracy` for good, so that one lucky epoch doesn't count. None
    where it ends below."""
    earliest = None
    for epoch in sorted(running, reverse=True):
        if running[epoch] < last_accuracy:
            break
        earliest = epoch
    return None if earliest is None else max(running) - earliest
