"""The widths of a run as a table for a person, and as a figure.

print(report(rows))
draw(directory / "figures" / "widths.png", title="...", rows=rows, last={"test": 0.81})
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from polyak.evaluation.metric import ACCURACY, Metric
from polyak.maps.windows import selected
from polyak.records.widths import Row
from polyak.runs import units
from polyak.runs.style import BLUE, ORANGE, VERMILLION, percent_axis, style, write

KINDS = {"uniform": ("the last so many steps", VERMILLION), "ema": ("EMA, half-life", ORANGE)}
"""Of the legend, and colours."""


def report(rows: Sequence[Row], metric: Metric = ACCURACY) -> str:
    """A line per width, and which one validation selects. Where a width was evaluated on some of
    the splits alone, the others' columns are empty."""
    there = {row.split for row in rows}
    splits = [split for split in ("train", "validation", "test") if split in there]
    found = {(row.kind, row.steps, row.split): row.score for row in rows}
    percent = units.scale(metric) == 100
    lines = [
        "            steps   % of training"
        + "".join(f"{one + ', %' * percent:>17}" for one in splits)
    ]
    chosen, seen = selected(rows, metric), set[tuple[str, float]]()
    for row in rows:
        if (width := (row.kind, row.steps)) in seen:
            continue
        seen.add(width)
        values = [found.get((*width, split)) for split in splits]
        shown = ["" if one is None else units.text(metric, one) for one in values]
        scores = "".join(f"{one.removesuffix(' %'):>17}" for one in shown)
        mark = "  selected on validation" * (chosen is not None and width == chosen_width(chosen))
        lines.append(f"{row.kind:>8} {row.steps:8.6g} {100 * row.share:15.2f}{scores}{mark}")
    return "\n".join(lines)


def chosen_width(row: Row) -> tuple[str, float]:
    """Kind and steps."""
    return row.kind, row.steps


def draw(
    path: Path,
    *,
    title: str,
    rows: Sequence[Row],
    last: Mapping[str, float],
    metric: Metric = ACCURACY,
) -> None:
    """Accuracy, or other `metric`, against width, per split, with the `last` checkpoint's
    (fractions, by split) as a line and the width that validation selects as a ring."""
    scale = units.scale(metric)
    splits = sorted({row.split for row in rows}, reverse=True)
    chosen = selected(rows, metric)
    with style():
        figure, panels = plt.subplots(
            1, len(splits), figsize=(3.6 * len(splits), 3), layout="constrained", squeeze=False
        )
        for axes, split in zip(panels[0], splits, strict=True):
            for kind, (label, colour) in KINDS.items():
                found = [row for row in rows if (row.kind, row.split) == (kind, split)]
                shares = [100 * row.share for row in found]
                scores = [scale * row.score for row in found]
                axes.plot(shares, scores, "o-", color=colour, label=label)
                for row, share, score in zip(found, shares, scores, strict=True):
                    if chosen is not None and chosen_width(row) == chosen_width(chosen):
                        ring = {"markersize": 9, "fillstyle": "none", "color": "black"}
                        axes.plot(share, score, "o", label="selected on validation", **ring)
            if split in last:
                axes.axhline(scale * last[split], color=BLUE, label="last checkpoint")
            percent_axis(axes, 100 * min(row.share for row in rows))
            axes.set(xlabel="width (% of the training)", ylabel=units.label(metric, split))
        panels[0][0].legend(loc="best")
        figure.suptitle(title)
        write(figure, path)
    plt.close(figure)
