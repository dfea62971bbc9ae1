"""The map of windows."""

import numpy as np
from matplotlib.figure import Figure

from analysis.figures.captions import how_many
from analysis.figures.panels import grid, map_of
from analysis.figures.style import COLOURS, WIDTH
from analysis.figures.subject import NotDrawnError, Subject


def windows(subject: Subject) -> tuple[Figure, str]:
    """Accuracy of the average of every window that was evaluated, by its first and last epoch, on
    validation and test, at the reported learning rate."""
    focus, table = subject.answer.focus, subject.windows
    table = table[table["scheme"] == "uniform"]
    rates = table.groupby("learning_rate")["end"].nunique()
    rich = rates[rates > 1].index
    if table["start"].nunique() < 2 or rich.empty:
        raise NotDrawnError("no map of windows: python src/windows.py RUN")
    rate = focus["learning_rate"] if focus["learning_rate"] in rich else rich[0]
    table = table[table["learning_rate"] == rate]
    # Trainings with fewer windows would make some cells of a map vary more than others.
    sizes = table.groupby("fingerprint").size()
    table = table[table["fingerprint"].isin(sizes[sizes == sizes.max()].index)]
    splits = [split for split in ("validation", "test") if split in set(table["split"])]
    figure, panels = grid(len(splits), columns=2, height=2.7)
    figure.set_size_inches(WIDTH * (1 if len(splits) > 1 else 0.6), figure.get_size_inches()[1])
    cells: set[int] = set()
    for axes, split in zip(panels, splits, strict=True):
        rows = table[table["split"] == split].assign(last=lambda rows: rows["end"] - 1)
        grouped = rows.groupby(["start", "last"])["accuracy"]
        means, counts = grouped.mean(), grouped.size()
        cells |= set(counts)
        map_ = 100 * means.unstack("last")
        low = float(np.nanquantile(map_.to_numpy(), 0.25))
        mesh, place = map_of(axes, map_, cmap="cividis", vmin=low)
        figure.colorbar(mesh, ax=axes, label=f"{split} accuracy (%)", extend="min")
        best = means[counts == counts.max()].idxmax()  # cells of fewer trainings vary more
        what = "best on validation" if split == "validation" else "best on test, an oracle"
        marks = {what: ("s" if split == "validation" else "^", best)}
        reported = (focus["start"], focus["end"] - 1)
        if rate == focus["learning_rate"] and reported in means.index:
            marks["reported"] = ("o", reported)
        for label, (marker, (start, last)) in marks.items():
            column, row = place(last, start)
            axes.plot(
                column + 0.5,
                row + 0.5,
                marker,
                color=COLOURS["average"],
                markersize=8,
                fillstyle="none",
                markeredgewidth=1.5,
                linestyle="none",
                clip_on=False,
                label=f"{label}: {start}..{last}",
            )
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
        axes.set(xlabel="last epoch of the window", ylabel="first epoch")
    return figure, (
        f"Uniform average of every window that was evaluated; learning rate {rate:g}; mean over "
        f"trainings that differ in the seed ({how_many(cells)} a cell). The lowest quarter has one "
        "colour. "
        f"{len(sizes) - table['fingerprint'].nunique()} trainings with fewer windows are not in it."
    )
