"""How many epochs earlier the average is as accurate as the last checkpoint."""

from collections.abc import Mapping

import pandas as pd

from analysis.read.window_table import growing
from analysis.statistics.values import finite


def epochs_saved(table: pd.DataFrame, runs: pd.DataFrame) -> list[tuple[int, int | None]]:
    """For each of a candidate's runs the seed, and how many epochs before its last checkpoint the
    average was as accurate as that, and stayed so (None: it never was). Nothing where the average
    of any of them was not evaluated after every epoch of its window."""
    found: list[tuple[int, int | None]] = []
    for run in runs.to_dict("records"):
        running = growing(table, run["fingerprint"], run["scheme"], run["start"])
        window = range(run["start"], run["end"])
        if not set(window) <= set(running):
            return []
        within = {epoch: running[epoch] for epoch in window}
        saved = saved_by_one(within, window[-1], run["last_test_accuracy"])
        found.append((int(run["seed"]), saved))
    return found


def saved_by_one(running: Mapping[int, float], last_epoch: int, last_accuracy: float) -> int | None:
    """How many epochs before the last checkpoint's the average is as accurate, and stays so.

    `running` maps epochs to the accuracy of the average up to and including each. Counted is from
    the earliest epoch from which on every running average up to the end has at least
    `last_accuracy`, so that one lucky epoch doesn't count. None where the final one has less.
    Raises ValueError where `running` is empty or goes past `last_epoch`, and for accuracies that
    aren't finite.
    """
    if not running:
        raise ValueError("there is no running average: set averaging.running=true")
    if max(running) > last_epoch:
        raise ValueError(f"epoch {max(running)} of the average is past the last, {last_epoch}")
    finite([*running.values(), last_accuracy])
    earliest = None
    for epoch in sorted(running, reverse=True):
        if running[epoch] < last_accuracy:
            break
        earliest = epoch
    return None if earliest is None else last_epoch - earliest
