"""Distances and cosine similarity between checkpoints, and to the average."""

import shlex
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.panels import grid, map_of, whole_numbers
from analysis.figures.style import BLUE, VERMILLION
from analysis.figures.subject import NotDrawnError, Subject
from analysis.read.directories import AnalysisError
from analysis.read.distance_table import distances as read_distances


def distances(subject: Subject) -> tuple[Figure, str]:
    """For the reported candidate: distance and cosine between all checkpoints, and each one's
    distance to the average and to the epoch before. From distances.csv, which a command writes."""
    runs, focus = subject.answer.runs(subject.facet), subject.answer.focus
    try:
        tables = [read_distances(Path(run)) for run in runs["directory"]]
    except AnalysisError as error:
        raise NotDrawnError(str(error)) from error
    found = [table for table in tables if table is not None]
    if not found:
        raise NotDrawnError(
            "no distances.csv in the reported runs: "
            f"python src/distances.py {shlex.quote(runs['directory'].iloc[0])}"
        )
    mean = pd.concat(found).groupby(["first", "second"], as_index=False, dropna=False).mean()
    between = mean[mean["second"].notna()]
    to_average = mean[mean["second"].isna()].sort_values("first")
    figure, panels = grid(3, height=2.2)
    for axes, column, title in zip(
        panels,
        ("distance", "displacement_cosine"),
        ("distance of the weights", "cosine of displacements"),
        strict=False,
    ):
        mirrored = between.rename(columns={"first": "second", "second": "first"})
        table = pd.concat([between, mirrored]).pivot(index="first", columns="second", values=column)
        limits = (
            {"cmap": "cividis"} if column == "distance" else {"cmap": "PuOr", "vmin": -1, "vmax": 1}
        )
        mesh, _ = map_of(axes, table, **limits)
        figure.colorbar(mesh, ax=axes, shrink=0.8)
        axes.set(xlabel="epoch", ylabel="epoch", title=title)
        axes.set_aspect("equal")
    lines = panels[2]
    lines.plot(
        to_average["first"],
        to_average["distance"],
        "D-",
        color=VERMILLION,
        markersize=3,
        label="to the average",
    )
    step = between[between["second"] - between["first"] == 1].sort_values("first")
    lines.plot(
        step["second"],
        step["distance"],
        "o-",
        color=BLUE,
        markersize=3,
        label="from the epoch before",
    )
    lines.axvspan(focus["start"] - 0.5, focus["end"] - 0.5, color="grey", alpha=0.08, linewidth=0)
    lines.set(xlabel="epoch", title="distance of the weights")
    lines.set_ylim(0, 1.35 * lines.get_ylim()[1])  # room for the legend
    lines.legend()
    whole_numbers([lines])
    return figure, (
        "Left and right: Euclidean distance between checkpoints. Middle: cosine of two "
        "checkpoints' differences from the average; -1: on opposite sides of it. Mean of "
        f"n = {len(found)} "
        f"training{'s' * (len(found) > 1)}; learning rate {focus['learning_rate']:g}. Average: "
        f"{focus['scheme']}, epochs {focus['start']}..{focus['end'] - 1} (grey)."
    )
