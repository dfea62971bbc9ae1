"""What one run draws, from its numbers alone: the article's figure, and a look at the images.

accuracy(directory / "accuracy.png", title=..., epochs=[10, 11], checkpoints=[0.8, 0.82],
         average=0.85, mean=0.81, ensemble=0.86)
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from polyak import files

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"


def accuracy(
    path: Path,
    *,
    title: str,
    epochs: Sequence[int],
    checkpoints: Sequence[float],
    average: float,
    mean: float,
    ensemble: float,
    split: str = "test",
) -> None:
    """The article's figure: each checkpoint of the window as a connected point, the average as a
    dashed line, the checkpoints' mean dash-dotted, their ensemble dotted. Accuracies: fractions."""
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    axes.plot(epochs, [100 * value for value in checkpoints], "o-", color=BLUE, label="checkpoints")
    axes.axhline(
        100 * average,
        linestyle="--",
        color=VERMILLION,
        label=f"averaged weights: {100 * average:.2f} %",
    )
    axes.axhline(
        100 * mean,
        linestyle="-.",
        color=GREEN,
        label=f"mean of the checkpoints: {100 * mean:.2f} %",
    )
    axes.axhline(
        100 * ensemble,
        linestyle=":",
        color=PURPLE,
        label=f"ensemble of the checkpoints: {100 * ensemble:.2f} %",
    )
    axes.set(xlabel="epoch (zero-based)", ylabel=f"{split} accuracy (%)")
    axes.set_title(title, fontsize="medium", parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    _save(figure, path)


def samples(path: Path, *, title: str, images: Tensor, labels: Tensor, rows: int = 6) -> None:
    """A grid of images uint8 [N, C, H, W] under their labels [N], at most rows x 2 rows of them."""
    columns = 2 * rows
    figure, axes = plt.subplots(
        figsize=(columns * 0.75, rows * 0.9 + 0.4), layout="constrained"
    )  # one for all: an axes an image takes seconds
    for index, (image, label) in enumerate(zip(images[: rows * columns], labels, strict=False)):
        row, column = divmod(index, columns)
        pixels = image.permute(1, 2, 0).numpy()
        if pixels.shape[2] != 3:  # grey, or channels that are no colours: the first
            pixels = pixels[..., 0]
        left, top = 1.1 * column, 1.4 * row
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=(left, left + 1, top + 1, top))
        axes.text(left + 0.5, top - 0.06, str(int(label)), ha="center", fontsize=9)
    axes.set(xlim=(0, 1.1 * columns - 0.1), ylim=(1.4 * rows - 0.4, -0.35))
    axes.axis("off")
    figure.suptitle(title, fontsize="medium", parse_math=False)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with files.atomic(path) as temporary:
        figure.savefig(temporary, dpi=150)
    plt.close(figure)


def windows(
    path: Path,
    *,
    title: str,
    table: pd.DataFrame,
    selected: tuple[int, int] | None,
    configured: tuple[int, int],
) -> None:
    """The map of windows on each split (accuracy by first and last epoch), the window `selected`
    on validation and the one `configured` marked; below, accuracy against the first epoch for the
    windows that reach the last one. `table` has start, end, split, accuracy (a fraction)."""
    splits = sorted(table["split"].unique(), reverse=True)
    figure, grid = plt.subplots(
        2,
        len(splits),
        figsize=(5.5 * len(splits), 8),
        layout="constrained",
        squeeze=False,
        height_ratios=(1.5, 1),
    )
    last = int(table["end"].max())
    marks = {"chosen on validation": (selected, "s"), "configured": (configured, "o")}
    for (upper, lower), split in zip(grid.T, splits, strict=True):
        rows = table[table["split"] == split].assign(last=lambda rows: rows["end"] - 1)
        map_ = 100 * rows.pivot(index="start", columns="last", values="accuracy")
        low = float(np.nanquantile(map_.to_numpy(), 0.25))  # the early epochs would take the range
        mesh = upper.pcolormesh(map_.columns, map_.index, map_, cmap="cividis", vmin=low)
        figure.colorbar(mesh, ax=upper, label=f"{split} accuracy (%)", extend="min")
        upper.set(xlabel="last epoch", ylabel="first epoch", title=split)
        curve = rows[rows["end"] == last].sort_values("start")
        single = rows[(rows["start"] == rows["last"])].sort_values("start")
        lower.plot(
            curve["start"],
            100 * curve["accuracy"],
            "o-",
            color=VERMILLION,
            markersize=4,
            label=f"average of epochs first..{last - 1}",
        )
        lower.plot(
            single["start"], 100 * single["accuracy"], ".:", color=BLUE, label="checkpoint alone"
        )
        shown = 100 * pd.concat([curve["accuracy"], single["accuracy"].nlargest(len(single) // 2)])
        lower.set(
            xlabel="first epoch",
            ylabel=f"{split} accuracy (%)",
            ylim=(shown.min() - 0.5, shown.max() + 0.5),  # not the first epochs alone
        )
        lower.grid(alpha=0.3)
        for label, (window, marker) in marks.items():
            if window is not None:
                upper.plot(
                    window[1] - 1,
                    window[0],
                    marker,
                    color=VERMILLION,
                    markersize=11,
                    fillstyle="none",
                    markeredgewidth=2,
                    label=f"{label}: {window[0]}..{window[1] - 1}",
                )
        upper.legend(loc="upper left", fontsize="small")
        lower.legend(loc="best", fontsize="small")
        for axes in (upper, lower):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        upper.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title, fontsize="medium", parse_math=False)
    _save(figure, path)
