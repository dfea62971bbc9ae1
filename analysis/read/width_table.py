"""Averages of every width, as `python -m polyak widths RUN` writes them.

width_table(runs)   # kind, steps, share, split, loss, accuracy, seed
"""

from pathlib import Path

import pandas as pd

from polyak.records.widths import TABLE


def width_table(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of widths.csv of all `runs` that have one, each trajectory's once, with `seed`.
    Raises PolyakError where one is corrupted."""
    found: dict[str, pd.DataFrame] = {}
    for run in runs.to_dict("records"):
        if run["fingerprint"] in found:
            continue
        try:
            columns, _ = TABLE.by_column(Path(run["directory"]) / TABLE.name)
        except FileNotFoundError:
            continue
        found[run["fingerprint"]] = pd.DataFrame(columns).assign(seed=run["seed"])
    tables = [table for table in found.values() if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
