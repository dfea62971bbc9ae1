"""The average beside the ensemble of the same checkpoints."""

import numpy as np
from matplotlib.figure import Figure

from analysis.compare.baselines import SHORT, compared
from analysis.compare.findings import Findings
from analysis.figures.captions import like_selected, lines_and_bands
from analysis.figures.panels import band, grid, whole_numbers
from polyak.runs.style import COLOURS

BANDS = ("average", "ensemble")
"""More bands would hide each other."""

_MARKERS = {"average": "o", "window_mean": "s", "last": "D", "last_refreshed": "X", "ensemble": "^"}


def ensemble(findings: Findings) -> tuple[Figure, str]:
    """Test accuracy of average, ensemble, mean and last checkpoint, also with refreshed statistics,
    against the window's first epoch, one panel per learning rate."""
    runs, left_out = like_selected(findings)
    rates = sorted(runs["learning_rate"].unique())
    figure, panels = grid(len(rates), sharey=True)
    for axes, rate in zip(panels, rates, strict=True):
        of_rate = runs[runs["learning_rate"] == rate]
        for what in compared(runs, _MARKERS):
            band(
                axes,
                of_rate,
                "start",
                f"{what}_test_accuracy",
                label=SHORT[what],
                color=COLOURS[what],
                marker=_MARKERS[what],
                linestyle="-" if what in BANDS else "--",
                alpha=0.15 if what in BANDS else 0,
            )
        axes.set(title=f"learning rate {rate:g}", xlabel="first epoch of the window")
    points = np.concatenate([line.get_ydata() for axes in panels for line in axes.lines])
    limits = (points.min() - 1, points.max() + 1)  # bands of few seeds are wide
    panels[0].set(ylabel="test accuracy (%)", ylim=limits)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    whole_numbers(panels)
    bands = f"bands ({', '.join(SHORT[what] for what in BANDS)})"
    return figure, (
        f"{lines_and_bands(runs, ['learning_rate', 'start'], bands)} The ensemble averages the "
        "probabilities of the window's checkpoints with the average's weights: it costs one "
        "evaluation per checkpoint, the average costs one. Bands that leave the axis are cut off. "
        f"{left_out}"
    ).strip()
