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
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from polyak import files

matplotlib.use("Agg")

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
    return matplotlib.rc_context(_STYLE)


def percent_axis(axes: Axes, low: float) -> None:
    """A logarithmic x axis of percentages from about `low` to 100."""
    ticks = [one for one in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if one >= low / 2]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{one:g}" for one in ticks])
    axes.minorticks_off()
    axes.set_xlim(low / 1.3, 130)


def write(figure: Figure, path: Path) -> None:
    """Write a figure atomically. The same numbers give the same bytes."""
    with files.atomic(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names in any script
        _render(figure, temporary)


def _render(figure: Figure, path: Path) -> None:
    if path.suffix == ".png":
        _write_png(figure, path)
    else:
        figure.savefig(path, metadata={"CreationDate": None})


def _write_png(figure: Figure, path: Path) -> None:
    """The pixels that `savefig` writes, in half the time: drawn once, where that draws all for the
    layout and then again, and without the alpha of an opaque picture."""
    dpi, before = matplotlib.rcParams["savefig.dpi"], figure.dpi
    engine = figure.get_layout_engine()
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    pixels.save(path, compress_level=1, dpi=(dpi, dpi))
    if engine is not None:
        figure.set_layout_engine(engine)
    figure.set_dpi(before)
