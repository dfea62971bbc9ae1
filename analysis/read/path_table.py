"""The line and the plane through a run's weights, as `python -m polyak path RUN` writes them.

path_table(Path("outputs/runs/NAME"))
"""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.read.directories import AnalysisError, first_line

NUMBERS = ["x", "y", "x_fraction", "y_fraction", "loss", "accuracy"]


def path_table(run: Path) -> pd.DataFrame | None:
    """A run's path.csv: which (line or plane), name (of weights that the run has, or ""), x, y,
    x_fraction, y_fraction, split, loss, accuracy; None where there is none. Raises AnalysisError
    where it is corrupted."""
    path = run / "path.csv"
    if not path.exists():
        return None
    try:
        table = pd.read_csv(path, keep_default_na=False)
        table = table[["which", "name", "split", *NUMBERS]]
        table = table.astype(dict.fromkeys(NUMBERS, float))
    except (OSError, ValueError, KeyError) as error:
        raise AnalysisError(f"{path}: can't be read ({first_line(error)})") from error
    wrong = (
        not np.isfinite(table[[*NUMBERS[:4], "accuracy"]].to_numpy()).all()
        or not table["which"].isin(["line", "plane"]).all()
        or table[["which", "name", "split", "x_fraction", "y_fraction"]].duplicated().any()
        or not (table["which"] == "line").any()
    )
    if wrong:
        raise AnalysisError(f"{path}: corrupted; repeat python -m polyak path")
    return table
