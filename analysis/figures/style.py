"""How every figure looks and is saved: for a page of a paper, and for colour-blind readers."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from analysis.figures.drawn import Drawn
from polyak.runs.style import write

WIDTH = 7.0
"""Inches: two columns of a paper, or a page with margins."""

MARKERS = "osD^vPX*"


def save(
    figure: Figure, title: str, caption: str, name: str, folder: Path, width: float | None = None
) -> Drawn:
    """Put title and caption into the figure; write it as PNG and PDF, so many inches wide. Its own
    height has room for a title of one line and a caption of three; longer ones add to it."""
    if width:
        figure.set_size_inches(width, figure.get_size_inches()[1])
    inches, height = figure.get_size_inches()
    above = textwrap.wrap(title, int(inches * 14.5))
    below = textwrap.wrap(caption, int(inches * 20))
    more = 0.15 * (len(above) - 1) + 0.115 * max(0, len(below) - 3)
    figure.set_size_inches(inches, height + more)
    figure.suptitle("\n".join(above), x=0.01, ha="left")
    figure.supxlabel("\n".join(below), x=0.01, ha="left", fontsize=6.5, color="#333333")
    paths = {suffix: folder / f"{name}.{suffix}" for suffix in ("png", "pdf")}
    for path in paths.values():
        write(figure, path)
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
