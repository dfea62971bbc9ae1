"""A run's path and plane as a table for a person, and as a figure.

print(report(rows, spent, landscape))
draw(directory / "figures" / "path.png", rows=rows, epochs={"first": 10, "middle": 15, "last": 19})
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from polyak.runs.path import Landscape
from polyak.runs.path_table import Row
from polyak.runs.style import BLUE, VERMILLION, style, write
from polyak.runs.windows import Spent

COLUMN, PANEL = 3.4, 1.3
"""Inches: the width of a paper's column, for two splits, and about that of the axes of each."""

STEPS = (1, 2, 5, 10)
"""Between ticks, times a power of ten."""


def report(rows: Sequence[Row], spent: Spent, landscape: Landscape) -> str:
    """How many points there are, the time `spent`, how far apart the weights are, and on each split
    loss and accuracy in % at the run's own weights, and the highest loss between them."""
    counts = Counter(key[0] for key in {row.key for row in rows})
    there = [f"{counts[which]} of the {which}" for which in ("line", "plane") if counts[which]]
    lines = [f"points: {', '.join(there)}"]
    if total := sum(asdict(spent).values()):
        shares = {name.replace("_", " "): 100 * one / total for name, one in asdict(spent).items()}
        said = ", ".join(f"{name} {share:.0f} %" for name, share in shares.items() if share)
        lines[0] += f"; {total:.1f} s now, of which {said}"
    epochs = landscape.epochs
    for end, length in landscape.lengths.items():
        lines.append(f"distance of epoch {epochs[end]} from the average: {length:.4g}")
    if landscape.projection:
        lines.append(f"distance of the average from the plane: {landscape.projection.away:.4g}")
    else:
        lines.append(landscape.without_plane)
    for split in dict.fromkeys(row.split for row in rows):
        line = [row for row in rows if row.which == "line" and row.split == split]
        for row in line:
            if row.name:
                what = f"epoch {epochs[row.name]}" if row.name in epochs else row.name
                lines.append(f"{split:>10}  {what:>10}  {_scores(row)}")
        highest = max((row for row in line if abs(row.x_fraction) <= 1), key=lambda row: row.loss)
        place = f"at {highest.x:+.4g} from the average"
        lines.append(f"{split:>10}  {'highest':>10}  {_scores(highest)}, {place}")
    return "\n".join(lines)


def _scores(row: Row) -> str:
    return f"loss {row.loss:.4f}, accuracy {100 * row.accuracy:6.2f} %"


def draw(path: Path, *, title: str, rows: Sequence[Row], epochs: Mapping[str, int]) -> None:
    """Draw, for each split, the line above and the plane below, where `rows` have one: the loss on
    training images, the error on others, as Izmailov et al. 2018 do. `epochs` are those of the
    first, middle and last checkpoint."""
    table = pd.DataFrame(map(asdict, rows))
    table["value"] = table["loss"].where(table["split"] == "train", 100 * (1 - table["accuracy"]))
    splits, planes = list(table["split"].unique()), table[table["which"] == "plane"]
    heights, around = [0.9], 1.0  # inches of axes, and of what is around them
    if len(planes):
        width, height = (float(np.ptp(planes[axis])) for axis in "xy")
        heights, around = [*heights, PANEL * height / width], 1.75
    with style(), plt.rc_context({"xtick.labelsize": 6.5, "ytick.labelsize": 6.5}):
        figure, panels = plt.subplots(
            len(heights),
            len(splits),
            figsize=(COLUMN / 2 * max(len(splits), 1.4), sum(heights) + around),
            layout="constrained",
            squeeze=False,
            height_ratios=heights,
        )
        for column, split in zip(panels.T, splits, strict=True):
            found = table[table["split"] == split]
            column[0].set_title("train loss (nats)" if split == "train" else f"{split} error (%)")
            _line(column[0], found[found["which"] == "line"], epochs)
            if len(planes):
                _plane(column[1], found[found["which"] == "plane"], epochs)
        if len(planes):
            panels[1, 0].set_ylabel("distance")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        options: Any = {"loc": "outside lower center", "ncols": 2}
        figure.legend(handles, labels, handletextpad=0.1, columnspacing=1, **options)
        figure.suptitle(title)
        write(figure, path)
    plt.close(figure)


def _line(axes: Axes, rows: pd.DataFrame, epochs: Mapping[str, int]) -> None:
    """The quantity along the line, against the distance from the average."""
    axes.plot(rows["x"], rows["value"], ".-", color=BLUE, markersize=2.5, linewidth=1)
    _marks(axes, rows, epochs, up="value")
    axes.set_xlabel("distance from average")
    axes.margins(y=0.15)
    _few_ticks(axes)


def _plane(axes: Axes, rows: pd.DataFrame, epochs: Mapping[str, int]) -> None:
    """Contours over the plane, in the unit of the weights. Losses rise steeply outwards: what is
    far above the checkpoints has one colour."""
    cells = rows[rows["name"] == ""].pivot(index="y", columns="x", values="value")
    values = np.ma.masked_invalid(cells.to_numpy())
    low, middling = np.quantile(values.compressed(), (0, 0.5))
    own = rows["value"][rows["name"] != ""].max()
    levels = MaxNLocator(9).tick_values(low, max(low + 1.5 * (own - low), middling))
    drawn: Any = (cells.columns, cells.index, values, levels)
    mesh = axes.contourf(*drawn, cmap="cividis_r", extend="max")
    axes.contour(*drawn, colors="white", linewidths=0.4)
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
            "average, or its projection",
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
