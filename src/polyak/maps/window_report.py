"""The windows of a run as a table for a person, and as a map.

print(report(rows, spent, configured=range(10, 20)))
draw(directory / "figures" / "windows.png", title="...", rows=rows, configured=range(10, 20))
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from polyak.evaluation.metric import ACCURACY, Metric
from polyak.maps import windows
from polyak.maps.cells import window_map
from polyak.records.windows import Row
from polyak.runs import units
from polyak.runs.style import BLUE, VERMILLION, style, write


def report(
    rows: Sequence[Row],
    spent: windows.Spent,
    configured: range | None,
    metric: Metric = ACCURACY,
) -> str:
    """How many windows there are, the time `spent`, and for each split the accuracy in %, or other
    `metric`, of the selected window, of the run's own (`configured`), and on test of the best one,
    an oracle."""
    lines = [f"{len({(row.start, row.end) for row in rows})} windows in windows.csv"]
    if total := sum(asdict(spent).values()):
        shares = {name.replace("_", " "): 100 * one / total for name, one in asdict(spent).items()}
        said = ", ".join(f"{name} {share:.0f} %" for name, share in shares.items() if share)
        lines[0] += f"; {total:.1f} s now, of which {said}"
    if configured is not None and configured.step > 1:
        lines.append(f"the run's own takes every {configured.step} epochs: it is none of these")
    named = _named(rows, configured, metric)
    for split in sorted({row.split for row in rows}):
        scores = {(row.start, row.end): row.score for row in rows if row.split == split}
        best = max(scores, key=lambda window: metric.sign * scores[window])
        oracle = {"best (an oracle)": best} if split == "test" else {}
        for what, window in (named | oracle).items():
            if window in scores:
                epochs = f"epochs {window[0]}..{window[1] - 1}"
                score = f"{units.text(metric, scores[window]):>8}"
                lines.append(f"{split:>10}  {score}  {epochs}, {what}")
    return "\n".join(lines)


def _named(
    rows: Sequence[Row], configured: range | None, metric: Metric
) -> dict[str, tuple[int, int]]:
    """Windows that are pointed out. The run's own is none of these where it leaves epochs out."""
    selected = windows.selected(rows, metric)
    named = {"selected on validation": selected} if selected else {}
    if configured is not None and configured.step == 1:
        named["the run's own"] = (configured.start, configured.stop)
    return named


def draw(
    path: Path,
    *,
    title: str,
    rows: Sequence[Row],
    configured: range | None,
    metric: Metric = ACCURACY,
) -> None:
    """Draw the map of windows on each split, with the selected one and the run's own (`configured`)
    marked; below, accuracy, or other `metric`, against the first epoch for the windows that reach
    the last one."""
    table = pd.DataFrame(map(asdict, rows))
    scores = [units.scale(metric) * row.score for row in rows]
    table = table.assign(last=table["end"] - 1, score=scores)
    splits = sorted(table["split"].unique(), reverse=True)
    markers = {"the run's own": "o", "selected on validation": "s"}
    marks = {
        what: (markers[what], (start, end - 1))
        for what, (start, end) in _named(rows, configured, metric).items()
    }
    with style():
        figure, grid = plt.subplots(
            2,
            len(splits),
            figsize=(3.8 * len(splits), 6),
            layout="constrained",
            squeeze=False,
            height_ratios=(1.5, 1),
        )
        for (upper, lower), split in zip(grid.T, splits, strict=True):
            of_split = table[table["split"] == split]
            cells = of_split.pivot(index="start", columns="last", values="score")
            there = {
                what: mark
                for what, mark in marks.items()
                if mark[1][0] in cells.index and mark[1][1] in cells.columns
            }
            label = units.label(metric, split)
            window_map(upper, cells, label, there, higher=metric.higher)
            _by_start(lower, of_split, split, metric)
        figure.suptitle(title)
        write(figure, path)
    plt.close(figure)


def _by_start(axes: Axes, rows: pd.DataFrame, split: str, metric: Metric) -> None:
    """The metric against the first epoch: of the windows that reach the last one, and of single
    checkpoints."""
    last = rows["last"].max()
    average = rows[rows["last"] == last].sort_values("start")
    single = rows[rows["start"] == rows["last"]].sort_values("start")
    label = f"average of epochs first..{last}"
    axes.plot(average["start"], average["score"], "o-", color=VERMILLION, label=label)
    axes.plot(single["start"], single["score"], ".:", color=BLUE, label="checkpoint alone")
    better = single.loc[(metric.sign * single["score"]).nlargest(len(single) // 2).index, "score"]
    shown = pd.concat([average["score"], better])
    room = 0.5 if metric == ACCURACY else (shown.max() - shown.min() or 1.0) / 10
    limits = (shown.min() - room, shown.max() + room)  # not the first epochs alone
    axes.set(xlabel="first epoch", ylabel=units.label(metric, split), ylim=limits)
    beyond = single.loc[~single["score"].between(*limits), "start"]
    if len(beyond):
        edge, marker = (limits[0], "v") if metric.higher else (limits[1], "^")
        at, label = [edge] * len(beyond), "checkpoint beyond the axis"
        axes.plot(beyond, at, marker, color=BLUE, clip_on=False, label=label)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
