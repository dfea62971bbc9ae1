"""Distances and cosine similarity between checkpoints, and to the average."""

import shlex
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare.findings import Findings
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import grid, shade_window, whole_numbers
from analysis.read.distance_table import distance_table
from analysis.wording import candidate, count
from polyak.errors import PolyakError
from polyak.maps.cells import map_of
from polyak.runs.style import BLUE, VERMILLION


def distance_maps(findings: Findings) -> tuple[Figure, str]:
    """For the selected candidate: distance and cosine between all checkpoints, and each one's
    distance to the average and to the epoch before, from distances.csv."""
    runs = findings.runs["directory"]
    try:
        tables = [table for run in runs if (table := distance_table(Path(run))) is not None]
    except PolyakError as error:
        raise NotDrawnError(str(error)) from error
    if not tables:
        command = f"python -m polyak distances {shlex.quote(runs.iloc[0])}"
        raise NotDrawnError(f"the selected runs have no distances.csv: {command}")
    mean = pd.concat(tables).groupby(["first", "second"], as_index=False, dropna=False).mean()
    between = mean[mean["second"].notna()]
    figure, (distance, cosine, lines) = grid(3, height=2.2)
    _map(distance, between, "distance", "distance of the weights", cmap="cividis")
    limits = {"vmin": -1, "vmax": 1}
    _map(cosine, between, "displacement_cosine", "cosine of displacements", cmap="PuOr", **limits)
    to_average = mean[mean["second"].isna()].sort_values("first")
    step = between[between["second"] - between["first"] == 1].sort_values("first")
    for table, epoch, style, colour, label in (
        (to_average, "first", "D-", VERMILLION, "to the average"),
        (step, "second", "o-", BLUE, "from the epoch before"),
    ):
        lines.plot(table[epoch], table["distance"], style, color=colour, markersize=3, label=label)
    shade_window(lines, findings.selected)
    lines.set(xlabel="epoch", title="distance of the weights")
    lines.set_ylim(0, 1.35 * lines.get_ylim()[1])  # room for the legend
    lines.legend()
    whole_numbers([lines])
    return figure, (
        "Left and right: Euclidean distance between checkpoints. Middle: cosine of two "
        "checkpoints' differences from the average; -1: on opposite sides of it. Mean over "
        f"n = {count(len(tables), 'seed')}; the {candidate(findings.selected)} (grey)."
    )


def _map(axes: Axes, between: pd.DataFrame, column: str, title: str, **colours: object) -> None:
    """A symmetric map: each pair is in the table once."""
    mirrored = between.rename(columns={"first": "second", "second": "first"})
    table = pd.concat([between, mirrored]).pivot(index="first", columns="second", values=column)
    mesh, _ = map_of(axes, table, **colours)
    axes.figure.colorbar(mesh, ax=axes, shrink=0.8)
    axes.set(xlabel="epoch", ylabel="epoch", title=title)
    axes.set_aspect("equal")
