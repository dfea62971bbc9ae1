"""Every figure of a sweep, from its tables and files alone.

    drawn = draw("gain_by_start", subject, Path("figures"))

A figure is a function from a Subject to a matplotlib Figure and its caption, or NotDrawnError.
"""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures.accuracy_by_epoch import accuracy_by_epoch
from analysis.figures.calibration import calibration
from analysis.figures.distance_maps import distances
from analysis.figures.ensemble import ensemble
from analysis.figures.gain_by_start import gain_by_start
from analysis.figures.heat_map import heat_map
from analysis.figures.schemes import schemes
from analysis.figures.style import save, style
from analysis.figures.subject import Drawn, NotDrawnError, Subject
from analysis.figures.window_map import windows

FIGURES: dict[str, Callable[[Subject], tuple[Figure, str]]] = {
    "gain_by_start": gain_by_start,
    "heat_map": heat_map,
    "accuracy_by_epoch": accuracy_by_epoch,
    "ensemble": ensemble,
    "schemes": schemes,
    "windows": windows,
    "calibration": calibration,
    "distances": distances,
}
"""By name, in the order of the report."""


def draw(name: str, subject: Subject, folder: Path) -> Drawn:
    """Draw a figure and write it as PNG and PDF. NotDrawnError where these runs can't give it."""
    with style():
        try:
            figure, caption = FIGURES[name](subject)
        except KeyError as error:  # files of another version
            raise NotDrawnError(f"the runs have no {error.args[0]}") from error
        return save(figure, subject, caption, name, folder)


__all__ = ["FIGURES", "Drawn", "NotDrawnError", "Subject", "draw"]
