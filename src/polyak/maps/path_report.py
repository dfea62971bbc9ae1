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

from polyak.maps.path import Landscape
from polyak.maps.path_panels import label_of, line, plane, values
from polyak.maps.windows import Spent
from polyak.records.path import Row
from polyak.runs.style import style, write

COLUMN, BESIDE = 3.4, 0.4
"""Inches: the width of a paper's column, for one or two splits, and what is beside the axes."""


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
    table["value"] = values(table)
    splits, planes = list(table["split"].unique()), table[table["which"] == "plane"]
    inches = COLUMN * max(1, len(splits) / 2)
    heights, around = [0.9], 1.0  # inches of axes, and of what is around them
    if len(planes):
        width, height = (float(np.ptp(planes[axis])) for axis in "xy")
        heights, around = [*heights, (inches / len(splits) - BESIDE) * height / width], 1.75
    with style(), plt.rc_context({"xtick.labelsize": 6.5, "ytick.labelsize": 6.5}):
        figure, panels = plt.subplots(
            len(heights),
            len(splits),
            figsize=(inches, sum(heights) + around),
            layout="constrained",
            squeeze=False,
            height_ratios=heights,
        )
        for column, split in zip(panels.T, splits, strict=True):
            found = table[table["split"] == split]
            column[0].set_title(label_of(split))
            line(column[0], found[found["which"] == "line"], epochs)
            if len(planes):
                plane(column[1], found[found["which"] == "plane"], epochs)
        if len(planes):
            panels[1, 0].set_ylabel("distance")
        handles, labels = panels[-1, 0].get_legend_handles_labels()
        options: Any = {"loc": "outside lower center", "ncols": 2}
        figure.legend(handles, labels, handletextpad=0.1, columnspacing=1, **options)
        figure.suptitle(title)
        write(figure, path)
    plt.close(figure)
