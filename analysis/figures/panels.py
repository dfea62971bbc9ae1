"""What several figures draw: panels, lines with bands, and maps."""

from collections.abc import Callable, Iterable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import WIDTH
from analysis.statistics.intervals import t_interval


def grid(
    panels: int, *, columns: int = 3, height: float = 2.3, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, at most `columns` beside each other."""
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
    axes: Axes, runs: pd.DataFrame, x: str, y: str, *, alpha: float = 0.15, **line: Any
) -> None:
    """The mean of 100 * `y` at each `x` as a line, its 95 % t interval as a band (`alpha` 0: none);
    where there is no interval, no band."""
    rows = []
    for place, values in runs.groupby(x)[y]:
        interval = t_interval(values.to_numpy())
        rows.append((place, interval.mean, interval.low, interval.high))
    table = 100 * pd.DataFrame(rows, columns=["x", "mean", "low", "high"]).astype(float)
    table["x"] /= 100
    if len(table) > 30:  # markers would merge
        line["marker"] = ""
    axes.plot(table["x"], table["mean"], **line)
    bands: Any = {"color": line.get("color"), "alpha": alpha, "linewidth": 0}
    axes.fill_between(table["x"], table["low"], table["high"], **bands)
    if len(table) == 1 and alpha:  # a band of one point has no width
        axes.vlines(table["x"], table["low"], table["high"], color=line.get("color"))


def whole_numbers(axes: Iterable[Axes]) -> None:
    """Epochs are whole numbers on the x axis."""
    for one in axes:
        low, high = one.get_xlim()
        if high - low < 2:  # one epoch
            one.set_xlim((low + high) / 2 - 1, (low + high) / 2 + 1)
        one.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def map_of(
    axes: Axes, table: pd.DataFrame, **options: Any
) -> tuple[Any, Callable[[float, float], tuple[int, int]]]:
    """A map of `table` (its index upwards, its columns to the right), a cell an entry, labelled by
    the entries' own names: nothing is drawn for what isn't there. Also gives where a cell is."""
    mesh = axes.pcolormesh(table.to_numpy(), **options)
    for names, ticks, label in (
        (list(table.columns), axes.set_xticks, axes.set_xticklabels),
        (list(table.index), axes.set_yticks, axes.set_yticklabels),
    ):
        every = -(-len(names) // 10)
        ticks([place + 0.5 for place in range(0, len(names), every)])
        label([f"{name:g}" for name in names[::every]])
    axes.grid(visible=False)
    columns, rows = list(table.columns), list(table.index)
    return mesh, lambda column, row: (columns.index(column), rows.index(row))
