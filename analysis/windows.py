"""Averages of other windows than a run's own, and distances: what commands left beside the runs.

table = windows(facet)      # from windows.csv, and from averaging.running=true
distances(Path("outputs/runs/NAME"))
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import statistics
from analysis.directories import AnalysisError
from analysis.facets import Facet

COLUMNS = ["learning_rate", "seed", "fingerprint", "scheme", "start", "end", "split", "accuracy"]


def windows(facet: Facet) -> tuple[pd.DataFrame, list[str]]:
    """Accuracy (a fraction) of each window [start, end) that was evaluated beyond the runs' own,
    once a training, with COLUMNS; and what is wrong with the files."""
    found, problems = [_running(facet)], []
    for run in facet.runs.to_dict("records"):
        path = Path(run["directory"]) / "windows.csv"
        if not path.exists():
            continue
        try:
            table = pd.read_csv(path)
            table = table[["start", "end", "split", "accuracy"]].dropna()
            table = table[np.isfinite(table["accuracy"].astype(float))]
            table = table.astype({"start": int, "end": int, "accuracy": float})
        except (OSError, ValueError, KeyError) as error:
            problems.append(f"{path}: can't be read ({str(error).splitlines()[0]})")
            continue
        found.append(
            table.assign(
                learning_rate=run["learning_rate"],
                seed=run["seed"],
                fingerprint=run["fingerprint"],
                scheme="uniform",
            )
        )
    whole = pd.concat([table for table in found if len(table)] or found[:1])
    keys = ["fingerprint", "scheme", "start", "end", "split"]
    return whole.drop_duplicates(keys)[COLUMNS].sort_values(keys, ignore_index=True), problems


def _running(facet: Facet) -> pd.DataFrame:
    """The averages that grow with the window, of runs with averaging.running=true."""
    epochs = facet.epochs[facet.epochs["status"] == "finished"]
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
    return table.astype({"start": int, "end": int})


def growing(table: pd.DataFrame, fingerprint: str, scheme: str, start: int) -> Mapping[int, float]:
    """Test accuracy of a training's average from `start` up to each epoch, by that epoch."""
    rows = table[
        (table["fingerprint"] == fingerprint)
        & (table["scheme"] == scheme)
        & (table["start"] == start)
        & (table["split"] == "test")
    ]
    return dict(zip((rows["end"] - 1).tolist(), rows["accuracy"].tolist(), strict=True))


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
        saved = statistics.epochs_saved(within, window[-1], run["last_test_accuracy"])
        found.append((int(run["seed"]), saved))
    return found


def distances(run: Path) -> pd.DataFrame | None:
    """A run's distances.csv: first (an epoch), second (an epoch, or NaN for the average), distance,
    displacement_cosine; None where there is none. Raises AnalysisError where it is damaged."""
    path = run / "distances.csv"
    if not path.exists():
        return None
    try:
        table = pd.read_csv(path, dtype={"second": str})
        table["second"] = table["second"].replace("average", np.nan).astype(float)
        table = table[["first", "second", "distance", "displacement_cosine"]].astype(float)
    except (OSError, ValueError, KeyError) as error:
        raise AnalysisError(f"{path}: can't be read ({str(error).splitlines()[0]})") from error
    wrong = (
        table[["first", "distance"]].isna().any(axis=None)
        or table[["first", "second"]].duplicated().any()
        or (table["second"] <= table["first"]).any()
        or not table["second"].isna().any()
    )
    if wrong:
        raise AnalysisError(f"{path}: not what src/distances.py writes; make it again")
    return table
