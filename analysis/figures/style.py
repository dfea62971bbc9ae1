"""How every figure looks and is saved: for a page of a paper, and for colour-blind readers."""

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from analysis.compare.findings import Findings
from analysis.figures.catalogue import Drawn
from polyak import files

WIDTH = 7.0
"""Inches: two columns of a paper, or a page with margins."""

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
)
COLOURS = {"average": VERMILLION, "window_mean": GREEN, "last": BLUE, "ensemble": PURPLE}
MARKERS = "osD^vPX*"

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


def save(figure: Figure, findings: Findings, caption: str, name: str, folder: Path) -> Drawn:
    """Put title, caption and the number of runs into the figure; write it as PNG and PDF."""
    group = findings.group
    inches = figure.get_size_inches()[0]
    title = textwrap.fill(f"{group.title}: {group.population}", int(inches * 15.5))
    figure.suptitle(title, x=0.01, ha="left")
    wrapped = textwrap.fill(caption, int(inches * 21.5))
    figure.supxlabel(wrapped, x=0.01, ha="left", fontsize=6.5, color="#333333")
    paths = {suffix: folder / f"{name}.{suffix}" for suffix in ("png", "pdf")}
    for suffix, path in paths.items():
        with files.atomic(path) as temporary, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # names in any script
            # Without the date, the same numbers give the same bytes.
            figure.savefig(temporary, metadata={"CreationDate": None} if suffix == "pdf" else None)
    plt.close(figure)
    return Drawn(name, caption, paths["png"], paths["pdf"])


def rates_style(rates: Sequence[float]) -> dict[float, dict[str, Any]]:
    """Colour and marker of each learning rate: darker is smaller."""
    ordered = sorted(rates)
    shades = sns.color_palette("viridis", as_cmap=True)(np.linspace(0.05, 0.8, len(ordered)))
    return {
        rate: {"color": tuple(shade), "marker": MARKERS[place % len(MARKERS)]}
        for place, (rate, shade) in enumerate(zip(ordered, shades, strict=True))
    }
