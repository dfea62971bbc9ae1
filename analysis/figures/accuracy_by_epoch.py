"""Each checkpoint's accuracy, or other primary metric, with the average on top."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare.baselines import SHORT, last_of
from analysis.compare.candidates import of_candidate
from analysis.compare.findings import Findings
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import band, grid, shade_window, whole_numbers
from analysis.read.window_table import epochs_of, growing
from analysis.units import axis_label, plural, scale_of
from analysis.wording import n_of, window
from polyak.evaluation.metric import ACCURACY, Metric
from polyak.runs.style import BLUE, VERMILLION

AVERAGES = {
    "average so far": (
        "solid: the average of the checkpoints from the window's first epoch up to each epoch "
        "(mean, and 95 % t interval where n > 1)"
    ),
    "average of the window": "dashed: the average of the whole window (mean)",
}
REFRESHED = SHORT["last_refreshed"]


def accuracy_by_epoch(findings: Findings) -> tuple[Figure, str]:
    """Test score of every checkpoint against its epoch, one panel per learning rate, with the
    average of the selected window on top, and its last checkpoint with refreshed statistics."""
    group, selected = findings.group, findings.selected
    epochs = group.epochs.drop_duplicates(["fingerprint", "epoch"])
    metric, column = group.metric, f"test_{group.metric.name}"
    epochs = epochs[epochs[column].notna()] if column in epochs else epochs.iloc[:0]
    rates = sorted(epochs["learning_rate"].unique())
    if not rates:
        raise NotDrawnError(f"no run has a metrics.csv with test {plural(metric)}")
    figure, panels = grid(len(rates), sharey=True)
    for axes, rate in zip(panels, rates, strict=True):
        _checkpoints(axes, epochs[epochs["learning_rate"] == rate], metric)
        _average(axes, findings, rate)
        shade_window(axes, selected)
        axes.set(title=f"learning rate {rate:g}", xlabel="epoch (zero-based)")
    limits = _limits(metric, epochs[column], group.runs[f"average_test_{metric.name}"])
    panels[0].set(ylabel=axis_label(metric, "test"), ylim=limits)
    drawn = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(list(drawn.values()), list(drawn), loc="outside right center")
    whole_numbers(panels)
    counts = epochs.groupby("learning_rate")["fingerprint"].nunique()
    blue = f"Thin lines: one seed each ({n_of(counts)} per panel); thick blue line: their mean"
    if counts.max() == 1:
        blue = "Blue: the checkpoints of one seed (n = 1 per panel)"
    orange = "; ".join(f"orange, {AVERAGES[label]}" for label in AVERAGES if label in drawn)
    if REFRESHED in drawn:
        orange += "; hollow: the window's last checkpoint with refreshed statistics (mean)"
    averaged = window(selected["start"], selected["end"], selected["stride"])
    return figure, (
        f"{blue}; {orange}. Grey: the window, {averaged} "
        f"({selected['scheme']}). {plural(metric).capitalize()} "
        f"{'below' if metric.higher else 'above'} the axis are cut off."
    )


def _limits(metric: Metric, checkpoints: pd.Series, averages: pd.Series) -> tuple[float, float]:
    """Of the axis: without the worst checkpoints, those of the first epochs."""
    scale = metric.sign * scale_of(metric)
    worse = float(np.nanquantile(scale * checkpoints, 0.25))
    best = max((scale * checkpoints).max(), (scale * averages).max())
    if metric == ACCURACY:
        return min(worse - 1, best - 5), best + 1
    room = 0.1 * (best - worse) or 0.1 * abs(best) or 1.0
    low, high = sorted((metric.sign * (worse - room), metric.sign * (best + room)))
    return low, high


def _checkpoints(axes: Axes, epochs: pd.DataFrame, metric: Metric) -> None:
    column, scale = f"test_{metric.name}", scale_of(metric)
    for _, one in epochs.groupby("fingerprint"):
        axes.plot(one["epoch"], scale * one[column], color=BLUE, alpha=0.35, linewidth=0.7)
    mean = epochs.groupby("epoch")[column].mean()
    axes.plot(mean.index, scale * mean, color=BLUE, label="checkpoints")


def _average(axes: Axes, findings: Findings, rate: float) -> None:
    """Of the selected window and scheme at this learning rate: growing where it was evaluated after
    every epoch for all seeds, else one level."""
    metric, candidate = findings.metric, findings.selected.copy()
    candidate["learning_rate"] = rate
    runs = of_candidate(findings.group.runs, candidate)
    epochs = epochs_of(candidate)
    scale, running = scale_of(metric), _running(findings.windows, runs, epochs, metric)
    if len(epochs) > 1 and len(runs) and running["fingerprint"].nunique() == len(runs):
        label = "average so far"
        band(axes, running, "epoch", "score", scale=scale, color=VERMILLION, label=label)
    elif len(runs):
        axes.plot(
            [epochs[0], epochs[-1]],
            [scale * runs[f"average_test_{metric.name}"].mean()] * 2,
            "--",
            color=VERMILLION,
            marker="D",
            markersize=2,
            label="average of the window",
        )
    if len(runs) and last_of(runs) == "last_refreshed":
        refreshed = scale * runs[f"last_refreshed_test_{metric.name}"].mean()
        mark: Any = {"fillstyle": "none", "linestyle": "none", "label": REFRESHED}
        axes.plot(epochs[-1], refreshed, color=BLUE, marker="D", markersize=5, **mark)


def _running(
    windows: pd.DataFrame, runs: pd.DataFrame, epochs: range, metric: Metric
) -> pd.DataFrame:
    """The averages up to each of these epochs, of the runs that have them all."""
    rows = []
    for run in runs.to_dict("records"):
        found = growing(windows, run["fingerprint"], run["scheme"], epochs[0], score=metric.name)
        if set(epochs) <= set(found):
            rows += [(run["fingerprint"], epoch, found[epoch]) for epoch in epochs]
    return pd.DataFrame(rows, columns=["fingerprint", "epoch", "score"])
