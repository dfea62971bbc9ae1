"""What one run draws, from its numbers alone: the article's figure, and a look at the images.

accuracy(run / "figures" / "accuracy.png", title=..., window=range(10, 20),
         checkpoints=[0.8, 0.82, ...], results=comparison.results)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from polyak import files
from polyak.data.dataset import Dataset
from polyak.evaluation.metric import ACCURACY, Metric
from polyak.records.summary import Result
from polyak.runs import units
from polyak.runs.style import BLUE, COLOURS, style, write
from polyak.store.record import EpochRecord


def draw(
    folder: Path,
    title: str,
    records: Sequence[EpochRecord],
    window: range,
    results: Mapping[str, Result | None],
    data: Dataset,
    *,
    recorded: bool = False,
) -> None:
    """Draw all figures of a run into `folder`."""
    checkpoints = [records[epoch].scores["test"].accuracy for epoch in window]
    accuracy(
        folder / "accuracy.png",
        title=title,
        window=window,
        checkpoints=checkpoints,
        results=results,
        recorded=recorded,
    )
    _samples_of(data, folder / "samples.png")


_drawn: list[tuple[Dataset, bytes]] = []
"""The latest data of which `samples` was drawn, and the picture: the points of a sweep have the
same."""


def _samples_of(data: Dataset, path: Path) -> None:
    if _drawn and _drawn[0][0] is data:
        with files.atomic(path) as temporary:
            temporary.write_bytes(_drawn[0][1])
        return
    images, labels = data.train.images.numpy(), data.train.labels.numpy()
    samples(path, title=f"training images of {data.title}", images=images, labels=labels)
    _drawn[:] = [(data, path.read_bytes())]


LINES = {
    "average": ("--", "averaged weights"),
    "window_mean": ("-.", "mean of the checkpoints{}"),
    "ensemble": (":", "ensemble of the checkpoints{}"),
}
"""Line style and label of each horizontal line."""


def accuracy(
    path: Path,
    *,
    title: str,
    window: Sequence[int],
    checkpoints: Sequence[float],
    results: Mapping[str, Result | None],
    metric: Metric = ACCURACY,
    recorded: bool = False,
) -> None:
    """The article's figure: the test accuracy, or another `metric`, of each checkpoint of the
    window as a connected point, the average as a dashed line, the checkpoints' mean dash-dotted,
    their ensemble dotted. Accuracies: fractions. `recorded`: what was averaged is a recording, so
    that these checkpoints are others."""
    scale = units.scale(metric)
    which = " of epochs' ends" if recorded else ""
    with style():
        figure = Figure(figsize=(7, 5), layout="constrained")
        axes = figure.subplots()
        values = [scale * value for value in checkpoints]
        axes.plot(window, values, "o-", color=BLUE, label=f"checkpoints{which}")
        for name, (line, label) in LINES.items():
            if (result := results[name]) is not None:
                value = result.test.by_name[metric.name]
                label = f"{label.format(which)}: {units.text(metric, value)}"
                axes.axhline(scale * value, linestyle=line, color=COLOURS[name], label=label)
        if (result := results.get("last_refreshed")) is not None:
            value = result.test.by_name[metric.name]
            label = f"last checkpoint, statistics refreshed: {units.text(metric, value)}"
            axes.plot(window[-1], scale * value, "D", color=COLOURS["last_refreshed"], label=label)
        axes.set(xlabel="epoch (zero-based)", ylabel=units.label(metric, "test"))
        axes.set_title(title, y=1.0)  # where it is put anyway, once all labels are measured again
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside lower center", ncols=2)
        write(figure, path)


def samples(
    path: Path, *, title: str, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> None:
    """A grid of images uint8 [N, C, H, W] under their labels [N], at most 6 x 12 of them."""
    rows, columns = 6, 12
    with style():
        figure = Figure(figsize=(columns * 0.75, rows * 0.9 + 0.4), layout="constrained")
        axes = figure.subplots()  # one for all: an axes per image takes seconds
        for index, (image, label) in enumerate(zip(images[: rows * columns], labels, strict=False)):
            row, column = divmod(index, columns)
            pixels = image.transpose(1, 2, 0)
            if pixels.shape[2] != 3:  # grey, or channels that are no colours: the first
                pixels = pixels[..., 0]
            left, top = 1.1 * column, 1.4 * row
            extent = (left, left + 1, top + 1, top)
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=extent)
            axes.text(left + 0.5, top - 0.06, str(int(label)), ha="center", fontsize=9)
        axes.set(xlim=(0, 1.1 * columns - 0.1), ylim=(1.4 * rows - 0.4, -0.35))
        axes.axis("off")
        figure.suptitle(title, fontsize="medium")
        write(figure, path)
