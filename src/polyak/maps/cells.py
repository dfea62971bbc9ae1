"""Maps: a table drawn as coloured cells, and that of windows, for runs and analysis."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from polyak.runs.style import VERMILLION

Place = Callable[[float, float], tuple[int, int]]


def map_of(axes: Axes, table: pd.DataFrame, **options: Any) -> tuple[Any, Place]:
    """A map of `table` (its index upwards, its columns to the right), labelled by the names that it
    has, so that missing ones take no room. Also a function from names to a cell's place."""
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


def window_map(
    axes: Axes,
    accuracies: pd.DataFrame,
    label: str,
    marks: Mapping[str, tuple[str, Any]],
    *,
    higher: bool = True,
) -> None:
    """The map of `accuracies`, or of a metric that is better when `higher` or lower, by first epoch
    (index) and last epoch (columns) of a window; the worst quarter, the early epochs', has one
    colour, and the colour bar says so. `marks` are a marker and the first and last epoch of a
    window, by their label."""
    limit = float(np.nanquantile(accuracies.to_numpy(), 0.25 if higher else 0.75))
    mesh, place = map_of(axes, accuracies, cmap="cividis" if higher else "cividis_r")
    mesh.set_clim(**{"vmin" if higher else "vmax": limit})
    label += f"\n{'lowest' if higher else 'highest'} quarter: one colour"
    axes.figure.colorbar(mesh, ax=axes, label=label, extend="min" if higher else "max")
    for what, (marker, (start, last)) in marks.items():
        column, row = place(last, start)
        axes.plot(
            column + 0.5,
            row + 0.5,
            marker,
            color=VERMILLION,
            markersize=8,
            fillstyle="none",
            markeredgewidth=1.5,
            linestyle="none",
            clip_on=False,
            label=f"{what}: {start}..{last}",
        )
    if marks:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    axes.set(xlabel="last epoch of the window", ylabel="first epoch")
