"""Loss and error between the checkpoints and the average, and around them."""

import shlex
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from analysis.compare.findings import Findings
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import grid
from analysis.read.path_table import path_table
from analysis.read.window_table import epochs_of
from analysis.wording import candidate, count
from polyak.errors import PolyakError
from polyak.maps.path_panels import label_of, plane, values
from polyak.runs.style import BLUE


def path(findings: Findings) -> tuple[Figure, str]:
    """For the selected candidate: the line from the first averaged checkpoint through the average
    to the last, of every seed, and the plane through three checkpoints of one, from path.csv."""
    table = _table(findings)
    splits = [split for split in ("train", "validation", "test") if split in set(table["split"])]
    line, planes = (table[table["which"] == which] for which in ("line", "plane"))
    seeds = line["seed"].nunique()
    heights, around = [1.5], 1.9  # inches of axes, and of what is around them
    if len(planes):
        one = planes[planes["seed"] == planes["seed"].min()]
        width, height = (one[axis].max() - one[axis].min() for axis in "xy")
        heights, around = [*heights, 2 * height / width], 2.9
    figure, panels = grid(len(heights) * len(splits), columns=len(splits), height_ratios=heights)
    figure.set_size_inches(figure.get_size_inches()[0], sum(heights) + around)
    for axes, split in zip(panels, splits, strict=False):
        _line(axes, line[line["split"] == split])
        axes.set(title=label_of(split))
    caption = (
        "From the window's first checkpoint straight to the average and on to the last, and beyond "
        f"both: each seed, and the mean over n = {count(seeds, 'seed')}."
    )
    if len(planes):
        averaged = epochs_of(findings.selected)
        corners = (averaged[0], averaged[len(averaged) // 2], averaged[-1])
        epochs = dict(zip(("first", "middle", "last"), corners, strict=True))
        for axes, split in zip(panels[len(splits) :], splits, strict=True):
            plane(axes, one[one["split"] == split], epochs)
        caption += (
            " Below, the plane through three checkpoints (crosses, by epoch) of "
            f"seed {one['seed'].iloc[0]}, with the projection of the average (star)."
        )
    return figure, f"{caption} The {candidate(findings.selected)}."


def _table(findings: Findings) -> pd.DataFrame:
    """The rows of all seeds, with `seed` and `value`."""
    runs = findings.runs
    found = []
    try:
        for run, seed in zip(runs["directory"], runs["seed"], strict=True):
            if (table := path_table(Path(run))) is not None:
                found.append(table.assign(seed=seed))
    except PolyakError as error:
        raise NotDrawnError(str(error)) from error
    if not found:
        command = f"python -m polyak path {shlex.quote(runs['directory'].iloc[0])}"
        raise NotDrawnError(f"the selected runs have no path.csv: {command}")
    whole = pd.concat(found)
    return whole.assign(value=values(whole))


def _line(axes: Axes, rows: pd.DataFrame) -> None:
    """Each seed thinly, and the mean at the points that all have: where the average is 0, and the
    first and last checkpoint are -1 and 1."""
    for _, one in rows.groupby("seed"):
        one = one.sort_values("x_fraction")
        axes.plot(one["x_fraction"], one["value"], color=BLUE, linewidth=0.7, alpha=0.4)
    points = rows.groupby("x_fraction")["value"].agg(["mean", "size"])
    points = points[points["size"] == rows["seed"].nunique()]
    axes.plot(points.index, points["mean"], ".-", color=BLUE, markersize=3)
    axes.xaxis.set_major_locator(FixedLocator([-1, 0, 1]))
    axes.set_xticklabels(["first", "average", "last"])
