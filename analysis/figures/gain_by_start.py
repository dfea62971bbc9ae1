"""Gain of the average against the window's first epoch."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare.baselines import BASELINES, SHORT, compared
from analysis.compare.findings import Findings
from analysis.figures.captions import like_selected, lines_and_bands
from analysis.figures.panels import band, grid, whole_numbers
from analysis.figures.style import WIDTH, rates_style
from analysis.units import gain_of, scale_of
from polyak.runs.style import VERMILLION


def gain_by_start(findings: Findings) -> tuple[Figure, str]:
    """Gain of the average over the mean checkpoint, the last, also with refreshed statistics, and
    the best by validation, on test, against the window's first epoch, one line per
    learning rate."""
    runs, left_out = like_selected(findings)
    scale = scale_of(findings.metric)
    wanted = compared(runs, ("window_mean", "last", "last_refreshed", "best_by_validation"))
    looks = rates_style(list(runs["learning_rate"].unique()))
    columns = 2 if len(wanted) == 4 else 3
    figure, panels = grid(len(wanted), columns=columns)
    if columns == 2:
        figure.set_size_inches(WIDTH, figure.get_size_inches()[1])
    for axes, what in zip(panels, wanted, strict=True):
        axes.axhline(0, color="black", linewidth=0.7)
        for rate, look in looks.items():
            of_rate = runs[runs["learning_rate"] == rate]
            column, label = f"gain_over_{what}_test", f"{rate:g}"
            band(axes, of_rate, "start", column, scale=scale, label=label, **look)
        axes.set(xlabel="first epoch of the window", title=f"over {SHORT[what]}")
        _ring(axes, findings, what)
    for axes in panels[::columns]:
        axes.set_ylabel(f"gain of the average\n({gain_of(findings.metric)})")
    legend = {"title": "learning rate", "title_fontsize": 7}
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", **legend)
    whole_numbers(panels)
    lowest = min(100 * runs[f"gain_over_{what}_test"].min() for what in wanted)
    caption = (
        f"Gain over {', '.join(BASELINES[what] for what in wanted)}; the panels' scales differ. "
        f"{lines_and_bands(runs, ['learning_rate', 'start'])} "
        f"Ring: {findings.status}."
    )
    if lowest < -10 and scale > 1:  # an average with the first epochs may be at chance
        for axes in panels:
            axes.set_ylim(bottom=max(axes.get_ylim()[0], -10))
        caption += f" Gains below -10 points (down to {lowest:.0f}) lie below the axis."
    return figure, f"{caption} {left_out}".strip()


def _ring(axes: Axes, findings: Findings, what: str) -> None:
    """Mark the selected candidate."""
    selected, runs = findings.selected, findings.runs
    gain = scale_of(findings.metric) * runs[f"gain_over_{what}_test"].mean()
    ring: Any = {"markersize": 9, "fillstyle": "none", "linestyle": "none", "color": VERMILLION}
    axes.plot([selected["start"]], [gain], marker="o", **ring)
