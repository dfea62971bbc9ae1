"""Distances between a run's checkpoints, as `python -m polyak distances RUN` writes them.

distance_table(Path("outputs/runs/NAME"))
"""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.read.directories import AnalysisError, first_line


def distance_table(run: Path) -> pd.DataFrame | None:
    """A run's distances.csv: first (an epoch), second (an epoch, or NaN for the average), distance,
    displacement_cosine; None where there is none. Raises AnalysisError where it is corrupted."""
    path = run / "distances.csv"
    if not path.exists():
        return None
    try:
        table = pd.read_csv(path, dtype={"second": str})
        table["second"] = table["second"].replace("average", np.nan).astype(float)
        table = table[["first", "second", "distance", "displacement_cosine"]].astype(float)
    except (OSError, ValueError, KeyError) as error:
        raise AnalysisError(f"{path}: can't be read ({first_line(error)})") from error
    wrong = (
        table[["first", "distance"]].isna().any(axis=None)
        or table[["first", "second"]].duplicated().any()
        or (table["second"] <= table["first"]).any()
        or not table["second"].isna().any()
    )
    if wrong:
        raise AnalysisError(f"{path}: corrupted; repeat python -m polyak distances")
    return table
