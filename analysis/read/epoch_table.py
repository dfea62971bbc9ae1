"""The epochs of many runs: their metrics.csv, stacked.

metrics = read(Path("outputs/runs/NAME/metrics.csv"))
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.wording import count

COLUMNS = (
    *("epoch", "lr", "train_loss", "train_accuracy"),
    *("val_loss", "val_accuracy", "test_loss", "test_accuracy"),
    *("average_count", "average_val_loss", "average_val_accuracy"),
    *("average_test_loss", "average_test_accuracy", "seconds"),
)
"""Of metrics.csv, as docs/files.md has them; columns that follow on the right are left out."""

RUN_COLUMNS = ("learning_rate", "seed", "start", "end", "scheme", "fingerprint", "status")
"""Columns of the run that each of its epochs repeats."""


@dataclass(frozen=True)
class Metrics:
    """Rows of numbers (NaN where a cell is empty), and what is wrong with the file, or ""."""

    rows: tuple[dict[str, float], ...]
    problem: str = ""


def read(path: Path) -> Metrics:
    """A run's metrics.csv. An incomplete last line and rows without an epoch are left out.
    No rows where there is no file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return Metrics(())
    except (OSError, ValueError) as error:
        return Metrics((), f"metrics.csv can't be read ({error})")
    whole = [line for line in lines if line.endswith("\n")]
    problems = [] if len(whole) == len(lines) else ["left out: an incomplete last line"]
    reader = csv.DictReader(whole)
    lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        problems.append(f"no column {', '.join(lacking)}")
    rows, wrong = [], 0
    for found in reader:
        row = {name: _number(found.get(name)) for name in COLUMNS}
        if not math.isfinite(row["epoch"]):
            wrong += 1
        else:
            rows.append(row)
    if wrong and "epoch" not in lacking:
        problems.append(f"left out: {count(wrong, 'row')} without an epoch")
    return Metrics(tuple(rows), "; ".join(problems))


def _number(text: str | None) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan


def stack(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One row per run and epoch, from the Metrics in the column `metrics`, and the problems of the
    files: one line per kind, with how many runs have it and the name of the first."""
    known = [name for name in RUN_COLUMNS if name in runs]
    rows: list[dict[str, Any]] = []
    affected: dict[str, list[str]] = {}
    for run in runs.to_dict("records"):
        metrics = run["metrics"]
        if not isinstance(metrics, Metrics):
            continue
        if metrics.problem:
            affected.setdefault(metrics.problem, []).append(run["run"])
        of_run = {"run": run["run"], **{name: run[name] for name in known}}
        rows += [{**of_run, **row} for row in metrics.rows]
    table = pd.DataFrame(rows, columns=["run", *known, *COLUMNS])
    table["epoch"] = table["epoch"].astype(int)
    problems = [
        f"metrics.csv of {count(len(names), 'run')} ({names[0]}"
        f"{', ...' if len(names) > 1 else ''}): {problem}"
        for problem, names in affected.items()
    ]
    return table, problems
