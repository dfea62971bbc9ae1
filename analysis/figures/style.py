"""How every figure looks and is saved: for a page of a paper, and for colour-blind readers."""

import textwrap
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import statistics
from analysis.subject import Drawn, Subject
from polyak import files

WIDTH = 7.0
"""Inches: two columns of a paper, or a page with margins."""

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
)
COLOURS = {"average": VERMILLION, "window_mean": GREEN, "last": BLUE, "ensemble": PURPLE}
LABELS = {
    "average": "average",
    "window_mean": "mean checkpoint",
    "last": "last checkpoint",
    "ensemble": "ensemble",
}
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


def save(figure: Figure, subject: Subject, caption: str, name: str, folder: Path) -> Drawn:
    """Put title, caption and the number of runs into the figure; write it as PNG and PDF."""
    facet = subject.facet
    inches = figure.get_size_inches()[0]
    title = textwrap.fill(f"{facet.title}: {facet.population}", int(inches * 15.5))
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


def grid(
    panels: int, *, columns: int = 3, height: float = 2.3, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, at most `columns` beside each other."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH * max(columns, 2) / 3 if columns < 3 else WIDTH, height * rows + 0.7),
        layout="constrained",
        squeeze=False,
        **options,
    )
    found = list(axes.flat)
    for unused in found[panels:]:
        unused.set_axis_off()
    return figure, found[:panels]


def rates_style(rates: Sequence[float]) -> dict[float, dict[str, Any]]:
    """Colour and marker of each learning rate: darker is smaller."""
    ordered = sorted(rates)
    shades = sns.color_palette("viridis", as_cmap=True)(np.linspace(0.05, 0.8, len(ordered)))
    return {
        rate: {"color": tuple(shade), "marker": MARKERS[place % len(MARKERS)]}
        for place, (rate, shade) in enumerate(zip(ordered, shades, strict=True))
    }


def band(
    axes: Axes, runs: pd.DataFrame, x: str, y: str, *, alpha: float = 0.15, **line: Any
) -> None:
    """The mean of 100 * `y` at each `x` as a line, its 95 % t interval as a band (`alpha` 0: none);
    where there is no interval, no band."""
    rows = []
    for place, values in runs.groupby(x)[y]:
        interval = statistics.t_interval(values.to_numpy())
        rows.append((place, interval.mean, interval.low, interval.high))
    table = 100 * pd.DataFrame(rows, columns=["x", "mean", "low", "high"]).astype(float)
    table["x"] /= 100
    if len(table) > 30:  # markers would merge
        line["marker"] = ""
    axes.plot(table["x"], table["mean"], **line)
    bands: Any = {"color": line.get("color"), "alpha": alpha, "linewidth": 0}
    axes.fill_between(table["x"], table["low"], table["high"], **bands)
    if len(table) == 1 and alpha:  # a band of one point has no width
        axes.vlines(table["x"], table["low"], table["high"], color=line.get("color"))


def whole_numbers(axes: Iterable[Axes]) -> None:
    """Epochs are whole numbers on the x axis."""
    for one in axes:
        low, high = one.get_xlim()
        if high - low < 2:  # one epoch
            one.set_xlim((low + high) / 2 - 1, (low + high) / 2 + 1)
        one.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def how_many(counts: Iterable[int]) -> str:
    """The n of points or cells: "n = 3", or "n = 2 to 3"."""
    low, high = min(counts := list(counts)), max(counts)
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def band_caption(runs: pd.DataFrame, by: Sequence[str]) -> str:
    """What lines and bands mean, with n."""
    counts = runs.groupby(list(by)).size()
    if counts.max() == 1:
        return "Points: one training each (n = 1), so there is no interval."
    return (
        f"Lines: mean over trainings that differ in the seed ({how_many(counts)} a point); "
        "bands: 95 % t interval of that mean, each point by itself."
    )


def map_of(
    axes: Axes, table: pd.DataFrame, **options: Any
) -> tuple[Any, Callable[[float, float], tuple[int, int]]]:
    """A map of `table` (its index upwards, its columns to the right), a cell an entry, labelled by
    the entries' own names: nothing is drawn for what isn't there. Also gives where a cell is."""
    mesh = axes.pcolormesh(table.to_numpy(), **options)
    for names, ticks, label in (
        (list(table.columns), axes.set_xticks, axes.set_xticklabels),
        (list(table.index), axes.set_yticks, axes.set_yticklabels),
    ):
        every = -(-len(names) // 10)
        ticks([place + 0.5 for place in range(0, len(names), every)])
        label([f"{name:g}" for name in names[::every]])
    axes.grid(visible=False)
    columns, rows = list(table.columns), list(table.index)
    return mesh, lambda column, row: (columns.index(column), rows.index(row))


def like_reported(subject: Subject) -> tuple[pd.DataFrame, str]:
    """The runs whose windows end with the reported one's last epoch, of its scheme, and a sentence
    for the caption where others are left out."""
    runs, focus = subject.facet.runs, subject.answer.focus
    kept = runs[(runs["end"] == focus["end"]) & (runs["scheme"] == focus["scheme"])]
    left_out = len(runs) - len(kept)
    text = (
        f"Only windows that end with epoch {focus['end'] - 1}, {focus['scheme']} average; "
        f"{left_out} runs of other windows or schemes are not in it."
    )
    return kept, text if left_out else ""
