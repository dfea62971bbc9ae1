"""The best average beside the best without averaging: each seed's pair, and the difference."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.compare.fair import Answer
from analysis.figures.style import WIDTH
from analysis.wording import amount
from polyak.runs.style import BLUE, VERMILLION

UNITS = {"accuracy": "test accuracy (%)", "loss": "test loss (nats)"}


def figure_of(answer: Answer) -> tuple[Figure, str]:
    """Left, each seed's two scores; right, the differences with their intervals and the margin."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH * 0.75, 2.6), layout="constrained", width_ratios=(1, 1.3)
    )
    scale = 1 if answer.metric == "loss" else 100
    _pairs(left, answer, scale)
    _differences(right, answer, scale)
    both = ", thin: over seeds and images together" if answer.two_way is not None else ""
    margin = amount(answer.margin, answer.metric, signed=False)
    return figure, (
        f"Left: each seed's pair. Averaged: {answer.averaged.name}; without: "
        f"{answer.unaveraged.name}; both selected on validation. Right: the differences, to the "
        "right where the average is better; diamond: their mean "
        f"(n = {answer.conclusion.interval.n}); thick line: 95 % t interval over seeds{both}; "
        f"grey: within {margin}, which would not matter."
    )


def _pairs(axes: Axes, answer: Answer, scale: float) -> None:
    table = scale * answer.pairs
    for _, pair in table.iterrows():
        axes.plot([0, 1], [pair["unaveraged"], pair["averaged"]], "-", color="#999999", zorder=1)
    for place, (column, colour) in enumerate((("unaveraged", BLUE), ("averaged", VERMILLION))):
        axes.plot([place] * len(table), table[column], "o", color=colour, zorder=2)
    axes.set(xlim=(-0.4, 1.4), ylabel=UNITS.get(answer.metric, "test calibration error (%)"))
    axes.set_xticks([0, 1], ["without", "averaged"])


def _differences(axes: Axes, answer: Answer, scale: float) -> None:
    table, found = answer.pairs, answer.conclusion.interval
    margin = scale * answer.margin
    axes.axvspan(-margin, margin, color="#dddddd", zorder=0)
    axes.axvline(0, color="black", linewidth=0.7)
    rows = range(1, len(table) + 1)
    axes.plot(scale * table["difference"], rows, "o", color="#666666")
    if found.low is not None and found.high is not None:
        axes.plot([scale * found.low, scale * found.high], [0, 0], color=VERMILLION, linewidth=3)
    two_way = answer.two_way
    if two_way is not None and two_way.low is not None and two_way.high is not None:
        axes.plot([scale * two_way.low, scale * two_way.high], [0, 0], color=VERMILLION)
    axes.plot([scale * found.mean], [0], "D", color=VERMILLION, markersize=6)
    axes.set_yticks([0, *rows], ["mean", *(f"seed {seed}" for seed in table.index)])
    axes.set_ylim(len(table) + 0.6, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    unit = "nats" if answer.metric == "loss" else "points"
    axes.set_xlabel(f"averaging better by ({unit})")
