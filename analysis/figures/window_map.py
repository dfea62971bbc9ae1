"""Accuracy of the average by the first and last epoch of its window."""

import pandas as pd
from matplotlib.figure import Figure

from analysis.compare.findings import Findings
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import grid
from analysis.figures.style import WIDTH
from analysis.read.window_table import uniform
from analysis.wording import count, n_of
from polyak.maps.cells import window_map as draw


def window_map(findings: Findings) -> tuple[Figure, str]:
    """Accuracy of the average of every evaluated window, by its first and last epoch, on validation
    and test, at the selected learning rate."""
    selected = findings.selected
    rate, table, left_out = _windows(findings)
    splits = [split for split in ("validation", "test") if split in set(table["split"])]
    figure, panels = grid(len(splits), columns=2, height=2.7)
    figure.set_size_inches(WIDTH * (1 if len(splits) > 1 else 0.6), figure.get_size_inches()[1])
    cells: set[int] = set()
    for axes, split in zip(panels, splits, strict=True):
        rows = table[table["split"] == split].assign(last=lambda rows: rows["end"] - 1)
        grouped = rows.groupby(["start", "last"])["accuracy"]
        means, counts = grouped.mean(), grouped.size()
        cells |= set(counts)
        best = means[counts == counts.max()].idxmax()  # cells of fewer seeds are noisier
        marks = {"best on validation": ("s", best)}
        if split == "test":
            marks = {"best on test (oracle)": ("^", best)}
        reported = (selected["start"], selected["end"] - 1)
        mapped = {"learning_rate": rate, "scheme": uniform(selected["scheme"])}
        if (selected[list(mapped)] == pd.Series(mapped)).all() and reported in means.index:
            marks["reported"] = ("o", reported)
        draw(axes, 100 * means.unstack("last"), f"{split} accuracy (%)", marks)
    caption = (
        f"Uniform average of every evaluated window; learning rate {rate:g}; mean over seeds "
        f"({n_of(cells)} per cell)."
    )
    if left_out:
        caption += f" Not shown: {count(left_out, 'trajectory')} with fewer windows."
    return figure, caption


def _windows(findings: Findings) -> tuple[float, pd.DataFrame, int]:
    """The learning rate of the map, the windows of the trajectories that have the most, and how
    many trajectories have fewer, which would make some cells noisier than others."""
    table, scheme = findings.windows, uniform(findings.selected["scheme"])
    table = table[table["scheme"] == scheme]
    ends = table.groupby("learning_rate")["end"].nunique()
    rates = ends[ends > 1].index
    if table["start"].nunique() < 2 or rates.empty:
        raise NotDrawnError("needs further windows: python -m polyak windows RUN")
    selected = findings.selected["learning_rate"]
    rate = selected if selected in rates else rates[0]
    table = table[table["learning_rate"] == rate]
    sizes = table.groupby("fingerprint").size()
    kept = sizes[sizes == sizes.max()].index
    return rate, table[table["fingerprint"].isin(kept)], len(sizes) - len(kept)
