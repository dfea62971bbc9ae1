"""Every figure of a comparison group, from its tables and files alone.

    drawn = draw("gain_by_start", findings, Path("figures"))

Each name is that of a module of this package and of the function in it, from Findings to a
matplotlib figure and its caption, or NotDrawnError. Listing the names loads no matplotlib.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from analysis.compare.findings import Findings

FIGURES = (
    *("gain_by_start", "heat_map", "accuracy_by_epoch", "ensemble"),
    *("schemes", "window_map", "calibration", "distance_maps"),
)
"""In the order of the report."""


class NotDrawnError(Exception):
    """A figure that these runs can't give; the message names what it needs."""


@dataclass(frozen=True)
class Drawn:
    """A figure's name and files, and the caption, which is also in it."""

    name: str
    caption: str
    png: Path
    pdf: Path


def draw(name: str, findings: Findings, folder: Path) -> Drawn:
    """Draw a figure and write it as PNG and PDF. NotDrawnError where these runs can't give it."""
    from analysis.figures.style import save, style  # loads matplotlib

    figure_of = getattr(import_module(f"analysis.figures.{name}"), name)
    with style():
        try:
            figure, caption = figure_of(findings)
        except KeyError as error:  # files of another version
            raise NotDrawnError(f"the runs have no {error.args[0]}") from error
        return save(figure, findings, caption, name, folder)
