"""Averages of further windows than each run's own, from windows.csv and metrics.csv.

table, problems = window_table(group.runs, group.epochs)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from polyak.errors import PolyakError
from polyak.records.metrics import OTHER
from polyak.records.windows import TABLE
from polyak.runs.metrics import SHORT

SCORES = ["accuracy", "loss"]
"""Those of windows.csv; metrics.csv may have others."""
COLUMNS = ["learning_rate", "seed", "fingerprint", "scheme", "start", "end", "split", *SCORES]


def window_table(runs: pd.DataFrame, epochs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """COLUMNS: the accuracy (a fraction) and the loss (nats) of each window [start, end) that
    averaging.running=true or `python -m polyak windows` evaluated, once per trajectory, and of the
    former other metrics that the runs name; and what is wrong with the files."""
    found, problems = [_running(epochs)], []
    for run in runs.to_dict("records"):
        try:
            columns, _ = TABLE.by_column(Path(run["directory"]) / TABLE.name)
        except FileNotFoundError:
            continue
        except PolyakError as error:
            problems.append(str(error))
            continue
        table = pd.DataFrame(columns).drop(columns="count")
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
    kept = [*COLUMNS, *(name for name in found[0] if name not in COLUMNS)]
    return whole.drop_duplicates(keys)[kept].sort_values(keys, ignore_index=True), problems


def _running(epochs: pd.DataFrame) -> pd.DataFrame:
    """The averages after every epoch of the window, of runs with averaging.running=true."""
    epochs = epochs[epochs["status"] == "finished"]
    given = [match["metric"] for name in epochs if (match := OTHER.fullmatch(str(name)))]
    names = [*SCORES, *sorted(set(given) - set(SCORES))]
    parts = []
    for split, short in SHORT.items():
        scores = {score: f"average_{short}_{score}" for score in names}
        scores = {score: column for score, column in scores.items() if column in epochs}
        rows = epochs[epochs[list(scores.values())].notna().any(axis=1)]
        parts.append(
            rows[["learning_rate", "seed", "fingerprint", "scheme", "start"]].assign(
                end=rows["epoch"] + 1,
                split=split,
                **{score: rows[column] for score, column in scores.items()},
            )
        )
    table = pd.concat(parts)
    table = table[[*COLUMNS, *(name for name in names[len(SCORES) :] if name in table)]]
    within = bool((table["start"] % 1).any())  # an epoch, where a window begins
    return table.astype({"start": float if within else int, "end": int})


def uniform(scheme: str) -> str:
    """What `python -m polyak windows` evaluates beside a run of this scheme: the uniform average,
    whose statistics of batch norm are made in the same way."""
    of_statistics = ("batch norm ", "refreshed", "last refreshed")
    kept = [part for part in scheme.split(", ") if part.startswith(of_statistics)]
    return ", ".join(["uniform", *kept])


def epochs_of(values: Mapping[Any, Any] | pd.Series) -> range:
    """Those of the window of a run or candidate: every `stride`-th of [start, end)."""
    return range(int(values["start"]), values["end"], values["stride"])


def growing(
    table: pd.DataFrame,
    fingerprint: str,
    scheme: str,
    start: float,
    split: str = "test",
    score: str = "accuracy",
) -> Mapping[int, float]:
    """The score of a trajectory's average from `start` up to each epoch, by that epoch."""
    if score not in table:
        return {}
    rows = table[
        (table["fingerprint"] == fingerprint)
        & (table["scheme"] == scheme)
        & (table["start"] == start)
        & (table["split"] == split)
        & table[score].notna()
    ]
    return dict(zip((rows["end"] - 1).tolist(), rows[score].tolist(), strict=True))
