"""Averages of further windows than each run's own, from windows.csv and metrics.csv.

table, problems = window_table(group.runs, group.epochs)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.read.directories import first_line

COLUMNS = ["learning_rate", "seed", "fingerprint", "scheme", "start", "end", "split", "accuracy"]


def window_table(runs: pd.DataFrame, epochs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """COLUMNS: the accuracy (a fraction) of each window [start, end) that averaging.running=true or
    `python -m polyak windows` evaluated, once per trajectory; and what is wrong with the files."""
    found, problems = [_running(epochs)], []
    for run in runs.to_dict("records"):
        path = Path(run["directory"]) / "windows.csv"
        if not path.exists():
            continue
        try:
            table = pd.read_csv(path)
            table = table[["start", "end", "split", "accuracy"]].dropna()
            table = table[np.isfinite(table["accuracy"].astype(float))]
            table = table.astype({"start": int, "end": int, "accuracy": float})
        except (OSError, ValueError, KeyError) as error:
            problems.append(f"{path}: can't be read ({first_line(error)})")
            continue
        found.append(
            table.assign(
                learning_rate=run["learning_rate"],
                seed=run["seed"],
                fingerprint=run["fingerprint"],
                scheme=uniform(run["scheme"]),
            )
        )
    whole = pd.concat([table for table in found if len(table)] or found[:1])
    keys = ["fingerprint", "scheme", "start", "end", "split"]
    return whole.drop_duplicates(keys)[COLUMNS].sort_values(keys, ignore_index=True), problems


def _running(epochs: pd.DataFrame) -> pd.DataFrame:
    """The averages after every epoch of the window, of runs with averaging.running=true."""
    epochs = epochs[epochs["status"] == "finished"]
    parts = []
    for split, column in (
        ("validation", "average_val_accuracy"),
        ("test", "average_test_accuracy"),
    ):
        rows = epochs[epochs[column].notna()]
        parts.append(
            rows[["learning_rate", "seed", "fingerprint", "scheme", "start"]].assign(
                end=rows["epoch"] + 1, split=split, accuracy=rows[column]
            )
        )
    table = pd.concat(parts)[COLUMNS]
    within = bool((table["start"] % 1).any())  # an epoch, where a window begins
    return table.astype({"start": float if within else int, "end": int})


def uniform(scheme: str) -> str:
    """What `python -m polyak windows` evaluates beside a run of this scheme: the uniform average,
    whose statistics of batch norm are made in the same way."""
    kept = [part for part in scheme.split(", ") if part.startswith("batch norm ")]
    return ", ".join(["uniform", *kept])


def epochs_of(values: Mapping[Any, Any] | pd.Series) -> range:
    """Those of the window of a run or candidate: every `stride`-th of [start, end)."""
    return range(int(values["start"]), values["end"], values["stride"])


def growing(
    table: pd.DataFrame, fingerprint: str, scheme: str, start: float
) -> Mapping[int, float]:
    """Test accuracy of a trajectory's average from `start` up to each epoch, by that epoch."""
    rows = table[
        (table["fingerprint"] == fingerprint)
        & (table["scheme"] == scheme)
        & (table["start"] == start)
        & (table["split"] == "test")
    ]
    return dict(zip((rows["end"] - 1).tolist(), rows["accuracy"].tolist(), strict=True))
