"""The line and the plane through a run's weights, as `python -m polyak path RUN` writes them.

path_table(Path("outputs/runs/NAME"))
"""

from pathlib import Path

import pandas as pd

from analysis.read.directories import AnalysisError
from polyak.records.path import TABLE


def path_table(run: Path) -> pd.DataFrame | None:
    """A run's path.csv: which (line or plane), name (of weights that the run has, or ""), x, y,
    x_fraction, y_fraction, split, loss, accuracy; None where there is none. Raises PolyakError
    where it is corrupted."""
    path = run / TABLE.name
    try:
        found, cut = TABLE.by_column(path)
    except FileNotFoundError:
        return None
    table = pd.DataFrame(found)
    twice = table[["which", "name", "split", "x_fraction", "y_fraction"]].duplicated().any()
    if cut or twice or not (table["which"] == "line").any():
        raise AnalysisError(f"{path}: incomplete, or a point is there twice; {TABLE.remedy}")
    return table
