"""Figures of gains: against the start epoch, over the grid with the learning rate, by scheme, and
beside the ensemble."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis import statistics
from analysis.candidates import AGAINST, CANDIDATE
from analysis.figures.style import (
    COLOURS,
    LABELS,
    VERMILLION,
    WIDTH,
    band,
    band_caption,
    grid,
    how_many,
    like_reported,
    rates_style,
    whole_numbers,
)
from analysis.subject import NotDrawnError, Subject


def gain_by_start(subject: Subject) -> tuple[Figure, str]:
    """Gain of the average over the mean checkpoint, the last, and the best by validation (points of
    test accuracy) against the window's first epoch, one line a learning rate."""
    runs, left_out = like_reported(subject)
    wanted = [
        what
        for what in ("window_mean", "last", "best_by_validation")
        if f"gain_over_{what}_test" in runs and runs[f"gain_over_{what}_test"].notna().all()
    ]
    looks = rates_style(list(runs["learning_rate"].unique()))
    figure, panels = grid(len(wanted))
    for axes, what in zip(panels, wanted, strict=True):
        axes.axhline(0, color="black", linewidth=0.7)
        for rate, look in looks.items():
            of_rate = runs[runs["learning_rate"] == rate]
            band(axes, of_rate, "start", f"gain_over_{what}_test", label=f"{rate:g}", **look)
        words = AGAINST[what].replace("mean of the window's checkpoints", "mean checkpoint")
        words = words.replace("best checkpoint", "best")
        axes.set(xlabel="first epoch of the window", title=f"over {words}")
        _ring(axes, subject, what)
    panels[0].set_ylabel("gain of the average\n(points of test accuracy)")
    legend = {"title": "learning rate", "title_fontsize": 7}
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", **legend)
    whole_numbers(panels)
    lowest = min(100 * runs[f"gain_over_{what}_test"].min() for what in wanted)
    caption = (
        f"Gain over {', '.join(AGAINST[what] for what in wanted)}; the panels' scales differ. "
        f"{band_caption(runs, ['learning_rate', 'start'])} "
        f"Ring: {'chosen on validation' if subject.answer.chosen else 'reported, not chosen'}."
    )
    if lowest < -10:  # an average with the first epochs may be at chance
        for axes in panels:
            axes.set_ylim(bottom=max(axes.get_ylim()[0], -10))
        caption += f" Gains below -10 points (down to {lowest:.0f}) lie below the axis."
    return figure, f"{caption} {left_out}".strip()


def _ring(axes: Axes, subject: Subject, what: str) -> None:
    """Mark the reported candidate."""
    focus, runs = subject.answer.focus, subject.answer.runs(subject.facet)
    gain = 100 * runs[f"gain_over_{what}_test"].mean()
    ring: Any = {"markersize": 9, "fillstyle": "none", "linestyle": "none", "color": VERMILLION}
    axes.plot([focus["start"]], [gain], marker="o", **ring)


def heat_map(subject: Subject) -> tuple[Figure, str]:
    """The average's test accuracy and its gain over the mean checkpoint, for each start epoch and
    learning rate; the chosen one and the oracle are marked."""
    runs, left_out = like_reported(subject)
    if runs["learning_rate"].nunique() * runs["start"].nunique() < 2:
        raise NotDrawnError("needs more than one start epoch or learning rate")
    maps = {
        "test accuracy of the average (%)": ("average_test_accuracy", "cividis", None),
        "gain over the mean checkpoint (points)": ("gain_over_window_mean_test", "PuOr", 0.0),
    }
    marks = _marks(subject)
    rates = runs["learning_rate"].nunique()
    figure, panels = grid(2, columns=1, height=max(1.1, 0.32 * rates + 0.6))
    figure.set_size_inches(WIDTH, figure.get_size_inches()[1])
    for axes, (label, (column, colours, center)) in zip(panels, maps.items(), strict=True):
        table = 100 * runs.pivot_table(index="learning_rate", columns="start", values=column)
        values = table.to_numpy()
        # Windows with the first epochs would take the whole range of colours.
        low, high = np.nanquantile(values, 0.2), np.nanmax(values)
        limit = max(float(np.nanmax(np.abs(values))), 0.1)
        limits = (-limit, limit) if center is not None else (float(low), float(high))
        sns.heatmap(
            table,
            ax=axes,
            cmap=colours,
            vmin=limits[0],
            vmax=limits[1],
            annot=_labels(runs, table) if table.size <= 150 else False,
            fmt="",
            annot_kws={"fontsize": 7},
            cbar_kws={"extend": "neither" if center is not None else "min"},
            linewidths=0.5,
            yticklabels=[f"{rate:g}" for rate in table.index],
        )
        axes.set(xlabel="first epoch of the window", ylabel="learning rate", title=label)
        axes.tick_params(axis="y", rotation=0)
        axes.grid(visible=False)
        for candidate, colour in marks.values():
            _mark(axes, table, candidate, colour)
    counts = runs.groupby(["learning_rate", "start"]).size()
    shown = "; ".join(f"{colour}: {what}" for what, (_, colour) in marks.items())
    caption = (
        f"Each cell: mean over trainings that differ in the seed ({how_many(counts)}); empty: no "
        f"finished run. Outlined in {shown}. The lowest fifth of the accuracies has one colour. "
        f"{left_out}"
    )
    return figure, caption.strip()


def _labels(runs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The numbers of a map; n where a cell has fewer trainings than others."""
    counts = runs.pivot_table(
        index="learning_rate", columns="start", values="average_test_accuracy", aggfunc="count"
    )
    texts = table.map(lambda value: "" if np.isnan(value) else f"{value:.1f}")
    fewer = counts.map(lambda n: f"\nn={n:.0f}").where(counts < counts.max(axis=None), "")
    return texts + fewer


def _marks(subject: Subject) -> dict[str, tuple[pd.Series, str]]:
    """What is outlined in a map of windows like the reported one, and in which colour."""
    focus, oracle = subject.answer.focus, subject.answer.oracle
    what = "chosen on validation" if subject.answer.chosen else "reported, not chosen"
    if (focus[CANDIDATE] == oracle[CANDIDATE]).all():
        return {f"{what}, and also the best by test (an oracle)": (focus, "red")}
    marks = {what: (focus, "red")}
    if (oracle[["end", "scheme"]] == focus[["end", "scheme"]]).all():
        marks["the best by test, an oracle"] = (oracle, "orange")
    return marks


def _mark(axes: Axes, table: pd.DataFrame, candidate: pd.Series, colour: str) -> None:
    columns, rows = list(table.columns), list(table.index)
    place = (columns.index(candidate["start"]), rows.index(candidate["learning_rate"]))
    frame: Any = {"fill": False, "linewidth": 1.8, "clip_on": False, "zorder": 5}
    axes.add_patch(Rectangle(place, 1, 1, edgecolor=colour, **frame))


def ensemble(subject: Subject) -> tuple[Figure, str]:
    """Test accuracy of average, ensemble, last and mean checkpoint against the window's first
    epoch, a panel for each learning rate."""
    runs, left_out = like_reported(subject)
    rates = sorted(runs["learning_rate"].unique())
    figure, panels = grid(len(rates), sharey=True)
    bands = ("average", "ensemble")  # four of them would hide each other
    for axes, rate in zip(panels, rates, strict=True):
        of_rate = runs[runs["learning_rate"] == rate]
        for what, marker in zip(COLOURS, "osD^", strict=True):
            band(
                axes,
                of_rate,
                "start",
                f"{what}_test_accuracy",
                label=LABELS[what],
                color=COLOURS[what],
                marker=marker,
                linestyle="-" if what in bands else "--",
                alpha=0.15 if what in bands else 0,
            )
        axes.set(title=f"learning rate {rate:g}", xlabel="first epoch of the window")
    best = 100 * max(runs["average_test_accuracy"].max(), runs["ensemble_test_accuracy"].max())
    low = 100 * runs[["last_test_accuracy", "ensemble_test_accuracy"]].quantile(0.1).min()
    panels[0].set(ylabel="test accuracy (%)", ylim=(min(low, best - 3) - 3, best + 1))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    whole_numbers(panels)
    caption = (
        band_caption(runs, ["learning_rate", "start"]).replace(
            "bands:", "bands (average, ensemble):"
        )
        + " The ensemble averages the probabilities "
        "of the window's checkpoints, with the average's weights: it costs one evaluation a "
        "checkpoint, the average costs one. Values beyond the axis are cut off."
    )
    return figure, f"{caption} {left_out}".strip()


def schemes(subject: Subject) -> tuple[Figure, str]:
    """Test accuracy of each scheme at the reported window and learning rate, beside the last
    checkpoint, the mean checkpoint and the ensemble."""
    focus = subject.answer.focus
    runs = subject.facet.runs
    same = ["learning_rate", "start", "end"]
    runs = runs[(runs[same] == focus[same]).all(axis=1)]
    if runs["scheme"].nunique() < 2:
        raise NotDrawnError(
            "one scheme only: python src/train.py --multirun averaging=uniform,exponential ..."
        )
    of_focus = runs[runs["scheme"] == focus["scheme"]]
    rows = {
        LABELS[what]: (of_focus[f"{what}_test_accuracy"], COLOURS[what])
        for what in ("window_mean", "last", "ensemble")
    }
    rows |= {
        str(scheme): (members["average_test_accuracy"], VERMILLION)
        for scheme, members in runs.groupby("scheme")
    }
    figure, axes = plt.subplots(
        figsize=(WIDTH * 0.75, 0.27 * len(rows) + 1.2), layout="constrained"
    )
    for place, (values, colour) in enumerate(rows.values()):
        interval = statistics.t_interval(values.to_numpy())
        axes.plot(100 * values, [place] * len(values), "o", color=colour, alpha=0.35)
        if interval.low is not None and interval.high is not None:
            axes.plot([100 * interval.low, 100 * interval.high], [place] * 2, color=colour)
        axes.plot(100 * interval.mean, place, "D", color=colour, markersize=5)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy (%)")
    n = runs.groupby("scheme").size()
    spread = "lines: 95 % t interval of the mean; " if n.max() > 1 else ""
    return figure, (
        f"Diamonds: mean over trainings that differ in the seed ({how_many(n)}); {spread}dots: one "
        f"training each. Learning rate {focus['learning_rate']:g}, epochs {focus['start']}.."
        f"{focus['end'] - 1}. Schemes share trainings, so compare them within a training: the "
        "intervals overlap more than their differences do."
    )
