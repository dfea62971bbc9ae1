"""The answers of several budgets, one below the other."""

import textwrap

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare.across import Across
from analysis.figures.drawn import NotDrawnError
from analysis.figures.scores import estimate, margin, what_lines_mean
from analysis.figures.style import WIDTH
from analysis.statistics.interquartile_mean import InterquartileMean
from analysis.units import numbers, scale_of
from analysis.wording import count
from polyak.runs.style import VERMILLION


def forest(across: Across) -> tuple[Figure, str]:
    """Each budget's difference with its intervals and numbers; below, the interquartile mean of
    all, where there are enough for one."""
    answers, summary = across.answers, across.summary
    if len(answers) < 2:
        raise NotDrawnError("needs the answers of several budgets: data sets or models")
    if across.metric is None:
        raise NotDrawnError("the budgets are compared by different metrics: --metric NAME")
    first = next(iter(answers.values()))
    labels = [textwrap.fill(name, 30) for name in answers]
    intervals = [one.conclusion.interval for one in answers.values()]
    texts = [f"n = {_padded(one.n)}   {numbers(one, first.metric)}" for one in intervals]
    # A row is as high as its label has lines.
    heights = [1 + 0.7 * label.count("\n") for label in labels]
    places = [sum(heights[:row]) + heights[row] / 2 for row in range(len(labels))]
    bottom = sum(heights) + 0.2
    if summary is not None:
        labels.append(f"interquartile mean of {summary.groups}")
        texts.append(
            f"n = {_padded(sum(one.n for one in intervals))}   {numbers(summary, first.metric)}"
        )
        places.append(bottom + 0.5)
        bottom += 1.2
    figure, axes = plt.subplots(figsize=(WIDTH, 1.1 + 0.24 * bottom), layout="constrained")
    for place, one in zip(places, answers.values(), strict=False):
        estimate(axes, place, one.conclusion.interval, one.two_way, one.metric)
    if summary is not None:
        axes.axhline(places[-1] - 0.65, color="#999999", linewidth=0.7)
        _diamond(axes, places[-1], summary, scale_of(first.metric))
    margin(axes, first.margin, first.metric)
    axes.set_yticks(places, labels)
    axes.set_ylim(bottom, 0)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, texts)
    right.tick_params(axis="y", length=0)
    right.spines["right"].set_visible(False)
    return figure, _caption(across)


def _diamond(axes: Axes, place: float, found: InterquartileMean, scale: float) -> None:
    """As wide as the interval; without one, hollow."""
    if found.low is None or found.high is None:
        axes.plot([scale * found.mean], [place], "D", color=VERMILLION, fillstyle="none")
        return
    x = [scale * value for value in (found.low, found.mean, found.high, found.mean)]
    axes.fill(x, [place, place - 0.3, place, place + 0.3], color=VERMILLION, linewidth=0)


def _padded(n: int) -> str:
    """With a space as wide as a digit, so that the numbers are below each other."""
    return f"{n:>2}".replace(" ", "\N{FIGURE SPACE}")


def _caption(across: Across) -> str:
    answers, summary = list(across.answers.values()), across.summary
    first = answers[0]
    intervals = [one.conclusion.interval for one in answers]
    interval = next((one for one in intervals if one.low is not None), intervals[0])
    two_way = next((one.two_way for one in answers if one.two_way is not None), None)
    text = (
        "Each row: the best average against the best without averaging, both selected on "
        "validation among the recipes of that budget; small diamond: mean over its n seeds"
        f"{what_lines_mean(interval, two_way, first.margin, first.metric)}"
    )
    if summary is None:
        text += f" {count(len(answers), 'budget')} are too few for a summary."
    elif summary.low is None:
        text += (
            " Hollow diamond: interquartile mean of all seeds' differences, without an interval "
            "since a budget has one seed, or all seeds agree."
        )
    else:
        text += (
            " Large diamond: interquartile mean of all seeds' differences, as wide as its 95 % "
            "bootstrap interval, which is for new seeds of the same budgets, not for other budgets."
        )
    if lacking := len(across.without_answer):
        text += f" Not shown: {count(lacking, 'budget')} without an answer."
    return text
