"""What several figures draw: panels, lines with bands, and spreads."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import WIDTH
from analysis.read.window_table import epochs_of
from analysis.statistics.intervals import t_interval


def grid(
    panels: int, *, columns: int = 3, height: float = 2.3, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, at most `columns` in a row."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH * max(columns, 2) / 3 if columns < 3 else WIDTH, height * rows + 0.7),
        layout="constrained",
        squeeze=False,
        **options,
    )
    found = list(axes.flat)
    for unused in found[panels:]:
        unused.set_axis_off()
    return figure, found[:panels]


def band(
    axes: Axes,
    runs: pd.DataFrame,
    x: str,
    y: str,
    *,
    scale: float = 100,
    alpha: float = 0.15,
    **line: Any,
) -> None:
    """The mean of `scale` * `y` at each `x` as a line, its 95 % t interval as a band (`alpha` 0:
    none) where there is one."""
    rows = []
    for place, values in runs.groupby(x)[y]:
        interval = t_interval(values.to_numpy())
        rows.append((place, interval.mean, interval.low, interval.high))
    table = scale * pd.DataFrame(rows, columns=["x", "mean", "low", "high"]).astype(float)
    table["x"] /= scale
    if len(table) > 30:  # markers would merge
        line["marker"] = ""
    axes.plot(table["x"], table["mean"], **line)
    bands: Any = {"color": line.get("color"), "alpha": alpha, "linewidth": 0}
    axes.fill_between(table["x"], table["low"], table["high"], **bands)
    if len(table) == 1 and alpha:  # a band of one point has no width
        axes.vlines(table["x"], table["low"], table["high"], color=line.get("color"))


def spread(
    axes: Axes,
    place: float,
    values: pd.Series,
    colour: str,
    *,
    horizontal: bool = False,
    scale: float = 100,
) -> None:
    """`scale` * `values` as dots at `place`, their mean as a diamond, its 95 % t interval as a
    line."""
    interval = t_interval(values.to_numpy())
    shift = 0.0 if horizontal or len(values) < 2 else 0.12

    def draw(at: Any, values: Any, *style: str, **options: Any) -> None:
        axes.plot(*((values, at) if horizontal else (at, values)), *style, color=colour, **options)

    draw(place + np.linspace(-shift, shift, len(values)), scale * values, "o", alpha=0.5)
    draw(place, scale * interval.mean, "D", markersize=6)
    if interval.low is not None and interval.high is not None:
        draw([place] * 2, [scale * interval.low, scale * interval.high])


def shade_window(axes: Axes, candidate: pd.Series) -> None:
    """From the first to the last of its epochs in grey."""
    epochs = epochs_of(candidate)
    low, high = epochs[0] - 0.5, epochs[-1] + 0.5
    axes.axvspan(low, high, color="grey", alpha=0.08, linewidth=0)


def whole_numbers(axes: Iterable[Axes]) -> None:
    """Epochs are whole numbers on the x axis."""
    for one in axes:
        low, high = one.get_xlim()
        if high - low < 2:  # one epoch
            one.set_xlim((low + high) / 2 - 1, (low + high) / 2 + 1)
        one.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
