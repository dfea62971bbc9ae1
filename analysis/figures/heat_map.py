"""Accuracy and gain of the average over the grid of start epochs and learning rates."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.compare.candidates import CANDIDATE
from analysis.figures.captions import how_many, like_reported
from analysis.figures.panels import grid
from analysis.figures.style import WIDTH
from analysis.figures.subject import NotDrawnError, Subject


def heat_map(subject: Subject) -> tuple[Figure, str]:
    """The average's test accuracy and its gain over the mean checkpoint, for each start epoch and
    learning rate; the chosen one and the oracle are marked."""
    runs, left_out = like_reported(subject)
    if runs["learning_rate"].nunique() * runs["start"].nunique() < 2:
        raise NotDrawnError("needs more than one start epoch or learning rate")
    maps = {
        "test accuracy of the average (%)": ("average_test_accuracy", "cividis", None),
        "gain over the mean checkpoint (points)": ("gain_over_window_mean_test", "PuOr", 0.0),
    }
    marks = _marks(subject)
    rates = runs["learning_rate"].nunique()
    figure, panels = grid(2, columns=1, height=max(1.1, 0.32 * rates + 0.6))
    figure.set_size_inches(WIDTH, figure.get_size_inches()[1])
    for axes, (label, (column, colours, center)) in zip(panels, maps.items(), strict=True):
        table = 100 * runs.pivot_table(index="learning_rate", columns="start", values=column)
        values = table.to_numpy()
        # Windows with the first epochs would take the whole range of colours.
        low, high = np.nanquantile(values, 0.2), np.nanmax(values)
        limit = max(float(np.nanmax(np.abs(values))), 0.1)
        limits = (-limit, limit) if center is not None else (float(low), float(high))
        sns.heatmap(
            table,
            ax=axes,
            cmap=colours,
            vmin=limits[0],
            vmax=limits[1],
            annot=_labels(runs, table) if table.size <= 150 else False,
            fmt="",
            annot_kws={"fontsize": 7},
            cbar_kws={"extend": "neither" if center is not None else "min"},
            linewidths=0.5,
            yticklabels=[f"{rate:g}" for rate in table.index],
        )
        axes.set(xlabel="first epoch of the window", ylabel="learning rate", title=label)
        axes.tick_params(axis="y", rotation=0)
        axes.grid(visible=False)
        for candidate, colour in marks.values():
            _mark(axes, table, candidate, colour)
    counts = runs.groupby(["learning_rate", "start"]).size()
    shown = "; ".join(f"{colour}: {what}" for what, (_, colour) in marks.items())
    caption = (
        f"Each cell: mean over trainings that differ in the seed ({how_many(counts)}); empty: no "
        f"finished run. Outlined in {shown}. The lowest fifth of the accuracies has one colour. "
        f"{left_out}"
    )
    return figure, caption.strip()


def _labels(runs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The numbers of a map; n where a cell has fewer trainings than others."""
    counts = runs.pivot_table(
        index="learning_rate", columns="start", values="average_test_accuracy", aggfunc="count"
    )
    texts = table.map(lambda value: "" if np.isnan(value) else f"{value:.1f}")
    fewer = counts.map(lambda n: f"\nn={n:.0f}").where(counts < counts.max(axis=None), "")
    return texts + fewer


def _marks(subject: Subject) -> dict[str, tuple[pd.Series, str]]:
    """What is outlined in a map of windows like the reported one, and in which colour."""
    focus, oracle = subject.answer.focus, subject.answer.oracle
    what = "chosen on validation" if subject.answer.chosen else "reported, not chosen"
    if (focus[CANDIDATE] == oracle[CANDIDATE]).all():
        return {f"{what}, and also the best by test (an oracle)": (focus, "red")}
    marks = {what: (focus, "red")}
    if (oracle[["end", "scheme"]] == focus[["end", "scheme"]]).all():
        marks["the best by test, an oracle"] = (oracle, "orange")
    return marks


def _mark(axes: Axes, table: pd.DataFrame, candidate: pd.Series, colour: str) -> None:
    columns, rows = list(table.columns), list(table.index)
    place = (columns.index(candidate["start"]), rows.index(candidate["learning_rate"]))
    frame: Any = {"fill": False, "linewidth": 1.8, "clip_on": False, "zorder": 5}
    axes.add_patch(Rectangle(place, 1, 1, edgecolor=colour, **frame))
