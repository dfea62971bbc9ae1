"""Distances between a run's checkpoints, as `python -m polyak distances RUN` writes them.

distance_table(Path("outputs/runs/NAME"))
"""

import math
from pathlib import Path

import pandas as pd

from analysis.read.directories import AnalysisError
from polyak.records.distances import TABLE


def distance_table(run: Path) -> pd.DataFrame | None:
    """A run's distances.csv: first (an epoch), second (an epoch, or NaN for the average), distance,
    displacement_cosine; None where there is none. Raises PolyakError where it is corrupted."""
    path = run / TABLE.name
    try:
        found, cut = TABLE.by_column(path)
    except FileNotFoundError:
        return None
    second = [math.nan if one == "average" else one for one in found["second"]]
    table = pd.DataFrame({**found, "second": second}).drop(columns="cosine").astype(float)
    if cut or table[["first", "second"]].duplicated().any() or not table["second"].isna().any():
        raise AnalysisError(f"{path}: incomplete, or a pair is there twice; {TABLE.remedy}")
    return table
