"""The best average beside the best without averaging: each seed's pair, and the difference."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare.fair import Answer
from analysis.figures.scores import (
    SIDES,
    estimate,
    margin,
    what_lines_mean,
)
from analysis.figures.style import WIDTH
from analysis.units import amount, axis_label, numbers, scale_of
from polyak.runs.style import VERMILLION

MOST_ROWS = 12
"""Seeds with a row of their own; more share one."""


def answer(answer: Answer) -> tuple[Figure, str]:
    """Left, each seed's two scores; right, the differences with their intervals and the margin."""
    rows = len(answer.pairs) if len(answer.pairs) <= MOST_ROWS else 3
    figure, (left, right) = plt.subplots(
        1,
        2,
        figsize=(WIDTH * 0.75, 2 + 0.17 * max(rows, 3)),
        layout="constrained",
        width_ratios=(1, 1.6),
    )
    _pairs(left, answer)
    _differences(right, answer)
    found = answer.conclusion.interval
    means = "; diamonds: their means" if found.n > 1 else ""
    return figure, (
        f"Left: the two models of each seed{means}. Without averaging: {answer.unaveraged.name}; "
        f"averaged: average {answer.averaged.name}; both selected on validation. Right: the "
        f"difference by seed (dots); diamond: the mean of n = {found.n}"
        f"{what_lines_mean(found, answer.two_way, answer.margin, answer.metric)}"
    )


def _pairs(axes: Axes, answer: Answer) -> None:
    table = scale_of(answer.metric) * answer.pairs[["unaveraged", "averaged"]]
    for _, pair in table.iterrows():
        axes.plot([0, 1], pair, "-", color="#aaaaaa", linewidth=0.9, zorder=1)
    mean: Any = {"linestyle": "none", "mec": "white", "markersize": 6.5, "zorder": 3}
    for place, (column, look) in enumerate(zip(table, SIDES.values(), strict=True)):
        colour, marker = look["color"], look["marker"]
        axes.plot([place] * len(table), table[column], marker, color=colour, alpha=0.6, zorder=2)
        if len(table) > 1:
            axes.plot([place], [table[column].mean()], "D", color=colour, **mean)
    axes.set(xlim=(-0.4, 1.4), ylabel=axis_label(answer.metric, "test"))
    axes.set_xticks([0, 1], ["without", "averaged"])


def _differences(axes: Axes, answer: Answer) -> None:
    table, found, metric = answer.pairs, answer.conclusion, answer.metric
    differences = scale_of(metric) * table["difference"]
    each = len(table) <= MOST_ROWS
    rows = np.arange(len(table)) + 1.0 if each else np.linspace(1, 2.5, len(table))
    axes.plot(differences, rows, "o", color="#666666", alpha=1 if each else 0.6)
    estimate(axes, 0, found.interval, answer.two_way, metric)
    labels = [f"seed {seed}" for seed in table.index]
    if each:
        axes.set_yticks([0, *rows], ["mean", *labels])
    else:
        axes.set_yticks([0, 1.75], ["mean", f"{len(table)} seeds"])
    axes.get_yticklabels()[0].set_color(VERMILLION)
    axes.set_ylim(rows[-1] + 0.6, -0.6)
    axes.grid(visible=False, axis="y")
    margin(axes, answer.margin, metric)
    kind: str = found.kind
    if found.within_margin:
        of = amount(answer.margin, metric, signed=False)
        kind = f"equivalent within {of}" if kind == "equivalent" else f"{kind}, within {of}"
    axes.set_title(f"{numbers(found.interval, metric)}\n{kind}")
