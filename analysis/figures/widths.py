"""How wide an average should be: accuracy against the share of the training that it spans."""

import shlex
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare.findings import Findings
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import band, grid
from analysis.figures.style import WIDTH
from analysis.read.width_table import width_table
from polyak.errors import PolyakError
from polyak.runs.style import BLUE, ORANGE, VERMILLION, percent_axis

KINDS = {"uniform": ("mean of the last steps", VERMILLION), "ema": ("EMA, half-life", ORANGE)}


def widths(findings: Findings) -> tuple[Figure, str]:
    """At the selected learning rate: accuracy of the mean over the last steps and of the EMA with
    every half-life, by their share of the training, over the seeds that have widths.csv."""
    runs = findings.group.runs
    runs = runs[runs["learning_rate"] == findings.selected["learning_rate"]]
    table = _common(runs)
    splits = [split for split in ("validation", "test") if split in set(table["split"])]
    chosen = _selected(table)
    figure, panels = grid(len(splits), columns=2)
    figure.set_size_inches(WIDTH, figure.get_figheight())
    for axes, split in zip(panels, splits, strict=True):
        _curves(axes, table[table["split"] == split], chosen)
        last = runs.drop_duplicates("fingerprint")[f"last_{split}_accuracy"]
        last = last[runs.drop_duplicates("fingerprint")["seed"].isin(table["seed"])]
        axes.axhline(100 * last.astype(float).mean(), color=BLUE, label="last checkpoint")
        percent_axis(axes, 100 * table["share"].min())
        axes.set(xlabel="width (% of the training)", ylabel=f"{split} accuracy (%)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    rate, n = findings.selected["learning_rate"], table["seed"].nunique()
    caption = (
        f"Averages that end with the training, at learning rate {rate:g}: the mean over its last "
        "steps, by how many, and the exponential moving average over steps, by its half-life. "
        f"Lines: mean over seeds, n = {n}; bands: pointwise 95 % t interval."
    )
    return figure, caption + " Ring: selected on validation." * (chosen is not None)


def _common(runs: pd.DataFrame) -> pd.DataFrame:
    """The widths that all seeds have."""
    try:
        table = width_table(runs)
    except PolyakError as error:
        raise NotDrawnError(str(error)) from error
    if table.empty:
        run = shlex.quote(str(runs["directory"].iloc[0]))
        raise NotDrawnError(
            f"the runs have no widths.csv: python -m polyak widths {run} (of runs with "
            "recording=means averaging.of=steps averaging.start=0)"
        )
    seeds = table["seed"].nunique()
    counts = table.groupby(["kind", "steps", "split"])["seed"].transform("nunique")
    return table[counts == seeds]


def _selected(table: pd.DataFrame) -> tuple[str, float] | None:
    """Kind and steps of the best mean validation accuracy (of equals, the lower loss)."""
    rows = table[table["split"] == "validation"]
    if rows.empty:
        return None
    means = rows.groupby(["kind", "steps"])[["accuracy", "loss"]].mean().round(12).reset_index()
    best = means.sort_values(["accuracy", "loss"], ascending=[False, True]).iloc[0]
    return str(best["kind"]), float(best["steps"])


def _curves(axes: Axes, rows: pd.DataFrame, chosen: tuple[str, float] | None) -> None:
    ring: Any = {"markersize": 9, "fillstyle": "none", "linestyle": "none", "color": "black"}
    for kind, (label, colour) in KINDS.items():
        of_kind = rows[rows["kind"] == kind].assign(percent=100 * rows["share"])
        if of_kind.empty:
            continue
        band(axes, of_kind, "percent", "accuracy", color=colour, marker="o", label=label)
        if chosen is not None and chosen[0] == kind:
            at = of_kind[of_kind["steps"] == chosen[1]]
            axes.plot(at["percent"].iloc[0], 100 * at["accuracy"].mean(), "o", **ring)
