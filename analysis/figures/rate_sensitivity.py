"""The best of both sides at each learning rate: which of them depends on it, and by how much."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from analysis.compare.fair import Answer, Side, best_of
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import grid
from analysis.figures.scores import RING, SIDES
from analysis.figures.style import WIDTH
from analysis.statistics.intervals import Interval, t_interval
from analysis.units import axis_label, scale_of
from analysis.wording import count

MOST_PANELS = 6


def rate_sensitivity(answer: Answer) -> tuple[Figure, str]:
    """Test score against learning rate: at each rate the best average and the best without
    averaging, both selected on validation at that rate alone. One panel per recipe beside the rate:
    the rates of two optimizers have nothing in common."""
    swept = answer.table.groupby("recipe")["learning_rate"].nunique()
    recipes = swept.index[swept > 1].tolist()
    if not recipes:
        raise NotDrawnError(
            "needs two learning rates of one recipe, with the seeds that are compared: "
            "python src/train.py --multirun optimizer.lr=0.02,0.05 ..."
        )
    shown = recipes[:MOST_PANELS]
    figure, panels = grid(len(shown), height=2.3, sharey=True)
    figure.set_size_inches(WIDTH * min(0.67 + 0.165 * (len(shown) - 1), 1), figure.get_figheight())
    found = {recipe: _sides(answer, recipe) for recipe in shown}
    failed = {recipe: _failed(answer, recipe, found[recipe]) for recipe in shown}
    for axes, recipe in zip(panels, shown, strict=True):
        _lines(axes, answer, found[recipe])
        at_bottom: Any = {"color": "black", "transform": axes.get_xaxis_transform()}
        axes.plot(failed[recipe], [0.05] * len(failed[recipe]), "x", **at_bottom)
        rates = {*(side.first["learning_rate"] for side in found[recipe]), *failed[recipe]}
        _rate_axis(axes, rates, most=7 if len(shown) == 1 else 5 if len(shown) == 2 else 3)
        axes.set_title(textwrap.fill(found[recipe][0].first["label"], 34))
    cut = _limits(panels[0], [_score(answer, side) for sides in found.values() for side in sides])
    for axes in panels[::3]:
        axes.set_ylabel(axis_label(answer.metric, "test"))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return figure, _caption(answer, len(recipes) - len(shown), any(failed.values()), cut)


def _sides(answer: Answer, recipe: str) -> list[Side]:
    """The best of each side at each rate, in the order of the rates."""
    rows = answer.table[answer.table["recipe"] == recipe]
    return [
        best_of(of_side, answer.seeds, answer.metric, answer.groups)
        for _, of_side in rows.groupby(["learning_rate", "averaged"])
    ]


def _score(answer: Answer, side: Side) -> Interval:
    """In the unit of the axis."""
    scores = side.rows[f"test_{answer.metric.name}"].to_numpy(dtype=float)
    return t_interval(scale_of(answer.metric) * scores)


def _failed(answer: Answer, recipe: str, found: Sequence[Side]) -> list[float]:
    """The rates that are left out since a run of theirs failed."""
    shown = {side.first["learning_rate"] for side in found}
    runs = pd.concat([one.unmeasured for one in answer.groups if one.name == recipe])
    if "learning_rate" not in runs:
        return []
    rates = runs.loc[runs["status"] == "failed", "learning_rate"].dropna()
    return sorted(set(rates.astype(float)) - shown)


def _lines(axes: Axes, answer: Answer, found: Sequence[Side]) -> None:
    """The two sides beside each other, so that their intervals don't hide one another; a ring where
    the answer's pair is."""
    rates = [side.first["learning_rate"] for side in found]
    apart = (max(rates) / min(rates)) ** 0.012
    for averaged, look in SIDES.items():
        sides = [side for side in found if bool(side.first["averaged"]) == averaged]
        scores = [_score(answer, side) for side in sides]
        places = [
            side.first["learning_rate"] * (apart if averaged else 1 / apart) for side in sides
        ]
        axes.plot(places, [one.mean for one in scores], **look)
        for place, one in zip(places, scores, strict=True):
            if one.low is not None and one.high is not None:
                axes.vlines(place, one.low, one.high, color=look["color"], linewidth=1)
        selected = answer.averaged if averaged else answer.unaveraged
        for place, side, one in zip(places, sides, scores, strict=True):
            if side.rows.equals(selected.rows):
                axes.plot(place, one.mean, **RING)


def _rate_axis(axes: Axes, rates: Iterable[float], most: int) -> None:
    """A tick per rate, with a number where there is room for one: at most so many."""
    ordered = sorted(rates)
    # Not quite most - 1: rounded rates that are evenly spaced all but fill it.
    room = math.log(ordered[-1] / ordered[0]) / (most - 0.8)
    labelled: list[float] = []
    for rate in ordered:
        if not labelled or math.log(rate / labelled[-1]) >= room:
            labelled.append(rate)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(labelled))
    axes.xaxis.set_minor_locator(FixedLocator(ordered))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:.3g}"))
    axes.xaxis.set_minor_formatter("")
    axes.margins(x=0.08)
    axes.set_xlabel("learning rate")


def _limits(axes: Axes, scores: Sequence[Interval]) -> bool:
    """Of few seeds an interval may be far wider than all that differs: it may then leave the axis.
    Whether one does."""
    means = [one.mean for one in scores]
    lows = [one.mean if one.low is None else one.low for one in scores]
    highs = [one.mean if one.high is None else one.high for one in scores]
    span = max(max(means) - min(means), float(np.median(np.subtract(highs, means))), 1e-9)
    low, high = max(min(lows), min(means) - span), min(max(highs), max(means) + span)
    axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    return min(lows) < low or max(highs) > high


def _caption(answer: Answer, hidden: int, failed: bool, cut: bool) -> str:
    n = answer.conclusion.interval.n
    text = (
        "At each learning rate, the best average and the best without averaging, each selected on "
        f"validation among all candidates of that rate; points: mean over seeds (n = {n})"
    )
    text += "; lines up and down: 95 % t interval. " if n > 1 else ". "
    text += "Rings: the two that the answer compares."
    if cut:
        text += " Intervals that leave the axis are cut off."
    if failed:
        text += " Crosses: rates left out, since a seed failed there."
    if answer.left_out:
        text += f" Not shown: {count(answer.left_out, 'recipe')} without all seeds or both sides."
    if hidden:
        text += f" {count(hidden, 'more recipe')} with several rates not shown."
    return text
