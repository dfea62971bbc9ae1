"""Figures of a sweep, from its table alone."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from analysis.load import AnalysisError


def gain_by_start(measured: pd.DataFrame, path: Path) -> None:
    """Gain over the mean of the window's checkpoints (points of test accuracy) against the window's
    start, one line a learning rate; lines are means over seeds, dots the single trainings.

    Raises AnalysisError where the runs differ in anything but seed, learning rate and start.
    """
    for column in ("dataset", "model", "optimizer", "scheme", "settings", "end"):
        if measured[column].nunique() > 1:
            values = sorted(measured[column].unique())
            raise AnalysisError(
                f"the runs differ in {column}: {values}; name directories of one only"
            )
    points = measured.assign(
        gain=100 * measured["gain_over_window_mean_test"],
        lr=[f"{lr:g}" for lr in measured["optimizer_lr"]],
    ).sort_values("optimizer_lr")
    first = points.iloc[0]
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    shared = {"data": points, "x": "start", "y": "gain", "hue": "lr", "palette": "colorblind"}
    sns.lineplot(**shared, errorbar=None, marker="D", ax=axes)
    sns.scatterplot(**shared, legend=False, alpha=0.6, ax=axes)
    axes.axhline(0, color="black", linewidth=0.8)
    kind = " (synthetic)" if first["synthetic"] else ""
    axes.set_title(
        f"{first['dataset']}{kind}, {first['training_images']:,} training / "
        f"{first['test_images']:,} test images, {first['model']}, {first['optimizer']}\n"
        f"{len(points)} runs of {points['fingerprint'].nunique()} trainings; "
        "dots: one training each; diamonds and lines: their mean",
        fontsize="medium",
        parse_math=False,
    )
    axes.set(
        xlabel="first epoch of the window (zero-based)",
        ylabel="gain of the average over the\nmean of the window's checkpoints (points)",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(title="learning rate")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
