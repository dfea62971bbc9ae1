"""How every figure of this project looks and is saved: for runs and analysis.

with style():
    figure, axes = plt.subplots()
    ...
    write(figure, path)
"""

import warnings
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyak import files

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
)
COLOURS = {
    **{"average": VERMILLION, "window_mean": GREEN, "ensemble": PURPLE},
    **{"last": BLUE, "last_refreshed": SKY},
}
"""Of each result of a run's comparison."""

_STYLE: Any = {
    **{"font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "legend.fontsize": 7},
    **{"xtick.labelsize": 7, "ytick.labelsize": 7, "figure.titlesize": 8.5},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25},
    **{"lines.linewidth": 1.3, "lines.markersize": 4, "legend.frameon": False},
    **{"text.parse_math": False, "pdf.fonttype": 42, "savefig.dpi": 200},
}


def style() -> Any:
    """A context in which figures have this project's look."""
    return plt.rc_context(_STYLE)


def percent_axis(axes: Axes, low: float) -> None:
    """A logarithmic x axis of percentages from about `low` to 100."""
    ticks = [one for one in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if one >= low / 2]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{one:g}" for one in ticks])
    axes.minorticks_off()
    axes.set_xlim(low / 1.3, 130)


def write(figure: Figure, path: Path) -> None:
    """Write a figure atomically. The same numbers give the same bytes."""
    without_date = {"CreationDate": None} if path.suffix == ".pdf" else None
    with files.atomic(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names in any script
        figure.savefig(temporary, metadata=without_date)
