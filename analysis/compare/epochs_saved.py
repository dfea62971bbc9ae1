"""How many epochs earlier the average is as accurate as the last checkpoint."""

from collections.abc import Mapping

import pandas as pd

from analysis.read.window_table import growing


def epochs_saved(windows: pd.DataFrame, runs: pd.DataFrame) -> list[tuple[int, int | None]]:
    """Seed and epochs saved of each of a candidate's runs (see `saved`). Empty where any of them
    lacks the average after every epoch of its window."""
    found: list[tuple[int, int | None]] = []
    for run in runs.to_dict("records"):
        running = growing(windows, run["fingerprint"], run["scheme"], run["start"])
        window = range(run["start"], run["end"])
        if not set(window) <= set(running):
            return []
        within = {epoch: running[epoch] for epoch in window}
        found.append((int(run["seed"]), saved(within, run["last_test_accuracy"])))
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
