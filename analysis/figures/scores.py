"""How the figures of an answer show its two sides, and its differences with their intervals."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.statistics.intervals import Interval
from analysis.statistics.two_way import TwoWay
from analysis.units import amount, scale_of, unit_of_differences
from polyak.evaluation.metric import Metric
from polyak.runs.style import BLUE, VERMILLION

SIDES: dict[bool, dict[str, Any]] = {
    False: {"color": BLUE, "marker": "s", "label": "without averaging"},
    True: {"color": VERMILLION, "marker": "o", "label": "averaged"},
}
"""The looks of candidates, by whether they are averaged."""

RING: dict[str, Any] = {
    **{"marker": "o", "markersize": 10, "fillstyle": "none", "color": "black"},
    **{"linestyle": "none", "markeredgewidth": 0.9, "zorder": 4},
}
"""Around the candidate that was selected."""


def estimate(
    axes: Axes, row: float, found: Interval, two_way: TwoWay | None, metric: Metric
) -> None:
    """A mean as a diamond, its t interval as a thick line, that over seeds and images together as a
    thin one with ends, as far as there are any."""
    scale = scale_of(metric)
    for one, look in ((two_way, {"marker": "|", "markersize": 9}), (found, {"linewidth": 3.5})):
        if one is not None and one.low is not None and one.high is not None:
            limits = [scale * one.low, scale * one.high]
            axes.plot(limits, [row, row], color=VERMILLION, solid_capstyle="butt", **look)
    axes.plot([scale * found.mean], [row], "D", color=VERMILLION, mec="white", markersize=6.5)


def margin(axes: Axes, width: float, metric: Metric) -> None:
    """Call it last: 0 as a line and the margin as a band, without letting a wide one push together
    what was drawn."""
    width *= scale_of(metric)
    axes.axvline(0, color="black", linewidth=0.7, zorder=0.5)
    low, high = axes.get_xlim()
    if width < high - low:
        low, high = min(low, -1.1 * width), max(high, 1.1 * width)
    axes.axvspan(-width, width, color="#dddddd", zorder=0, linewidth=0)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"difference ({unit_of_differences(metric)})\n← worse   better →")


def what_lines_mean(found: Interval, two_way: TwoWay | None, width: float, metric: Metric) -> str:
    """For captions, on what `estimate` and `margin` draw, after "mean"."""
    lines = ""
    if found.low is not None:
        lines = "; thick line: its 95 % t interval over seeds"
    if two_way is not None and two_way.low is not None:
        lines += "; thin line with ends: over seeds and images together"
    within = amount(width, metric, signed=False)
    return f"{lines}; grey: within {within}, which would not matter. Positive: averaging is better."
