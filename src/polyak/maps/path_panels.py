"""What is drawn of a run's path, for runs and analysis: a line, and contours over a plane.

    table["value"] = values(table)                    # of path.csv
    plane(axes, table[table["which"] == "plane"], epochs={"first": 10, "middle": 15, "last": 19})

Needs no torch.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from polyak.runs.style import BLUE, VERMILLION

STEPS = (1, 2, 5, 10)
"""Between ticks, times a power of ten."""


def values(rows: pd.DataFrame) -> pd.Series:
    """What is drawn of each row of a path.csv: the loss in nats on training images, the error in %
    on others, as Izmailov et al. 2018 do (https://arxiv.org/abs/1803.05407)."""
    return rows["loss"].where(rows["split"] == "train", 100 * (1 - rows["accuracy"]))


def label_of(split: str) -> str:
    """What `values` are on that split."""
    return "train loss (nats)" if split == "train" else f"{split} error (%)"


def line(axes: Axes, rows: pd.DataFrame, epochs: Mapping[str, int]) -> None:
    """The quantity along the line, against the distance from the average."""
    axes.plot(rows["x"], rows["value"], ".-", color=BLUE, markersize=2.5, linewidth=1)
    _marks(axes, rows, epochs, up="value")
    axes.set_xlabel("distance from average")
    axes.margins(y=0.15)
    _few_ticks(axes)


def plane(axes: Axes, rows: pd.DataFrame, epochs: Mapping[str, int]) -> None:
    """Contours over the plane, in the unit of the weights. Losses rise steeply outwards: what is
    far above the checkpoints has one colour."""
    grid = rows[rows["name"] == ""]
    own = rows["value"][rows["name"] != ""].max()
    low, middling = np.quantile(grid["value"].dropna(), (0, 0.5))
    levels = MaxNLocator(9).tick_values(low, max(low + 1.5 * (own - low), middling))
    cells = grid.pivot(index="y", columns="x", values="value")
    drawn: list[Any]
    if cells.size == len(grid):
        form, drawn = "contour", [cells.columns, cells.index, cells.to_numpy()]
    else:  # of several grids
        grid = grid.dropna()
        form, drawn = "tricontour", [grid["x"], grid["y"], grid["value"]]
    colours: Any = {"levels": levels, "cmap": "cividis_r", "extend": "max"}
    mesh = getattr(axes, f"{form}f")(*drawn, **colours)
    getattr(axes, form)(*drawn, levels=levels, colors="white", linewidths=0.4)
    _marks(axes, rows, epochs, up="y")
    axes.set(xlabel="distance", aspect="equal")
    axes.grid(visible=False)
    _few_ticks(axes)
    place: Any = {"location": "bottom", "aspect": 16, "pad": 0.03}
    axes.figure.colorbar(mesh, ax=axes, ticks=levels[:: -(-len(levels) // 5)], **place)


def _few_ticks(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=STEPS))


def _marks(axes: Axes, rows: pd.DataFrame, epochs: Mapping[str, int], up: str) -> None:
    """The run's own weights: checkpoints, by their epochs, and the average, which in a plane is
    where it is nearest to it. `up` is the column that is drawn upwards."""
    outline: Any = {"markeredgecolor": "white", "markeredgewidth": 0.6, "linestyle": "none"}
    for names, marker, label in (
        (list(epochs), {"marker": "X", "color": "black", "markersize": 5}, "checkpoint of epoch"),
        (
            ["average", "projection"],
            {"marker": "*", "color": VERMILLION, "markersize": 9},
            "average" if up == "value" else "average, or its projection",
        ),
    ):
        found, look = rows[rows["name"].isin(names)], {**outline, **marker}
        axes.plot(found["x"], found[up], label=label, clip_on=False, **look)
        for name, x, y in zip(found["name"], found["x"], found[up], strict=True):
            if name in epochs:
                axes.annotate(
                    str(epochs[name]),
                    (x, y),
                    (3.5, 3),
                    textcoords="offset points",
                    fontsize=7,
                    path_effects=[withStroke(linewidth=1.5, foreground="white")],
                )
