"""What one run draws, from its numbers alone: the article's figure, and a look at the images.

accuracy(directory / "accuracy.png", title=..., epochs=[10, 11], checkpoints=[0.8, 0.82],
         average=0.85, mean=0.81)
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from polyak import files

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"


def accuracy(
    path: Path,
    *,
    title: str,
    epochs: Sequence[int],
    checkpoints: Sequence[float],
    average: float,
    mean: float,
    split: str = "test",
) -> None:
    """The article's figure: each checkpoint of the window as a connected point, the average as a
    dashed line, the checkpoints' mean as a dash-dotted line. Accuracies are fractions."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
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
    axes.set(xlabel="epoch (zero-based)", ylabel=f"{split} accuracy (%)")
    axes.set_title(title, fontsize="medium", parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(loc="best")
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
