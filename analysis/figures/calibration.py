"""Reliability diagram and calibration error of checkpoint, average and ensemble."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from analysis.compare.baselines import SHORT, compared
from analysis.compare.findings import Findings
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import spread
from analysis.figures.style import WIDTH
from analysis.read.predictions import Predictions
from analysis.read.window_table import epochs_of
from analysis.wording import candidate, count
from polyak.errors import PolyakError
from polyak.evaluation.scores import BINS, Array, reliability
from polyak.runs.style import COLOURS

_MARKERS = {"last": "D", "last_refreshed": "X", "average": "^", "ensemble": "s"}


def calibration(findings: Findings) -> tuple[Figure, str]:
    """Accuracy against confidence pooled over trajectories, the distribution of confidence, and the
    calibration error per seed, of the selected candidate on test."""
    runs = findings.runs
    curves = compared(runs, _MARKERS)
    members = [found for run in runs.to_dict("records") if (found := _probabilities(run, curves))]
    if not members:
        raise NotDrawnError("needs predictions, and no run's can be read")
    figure, panels = plt.subplot_mosaic(
        [["curve", "errors"], ["shares", "errors"]],
        figsize=(WIDTH, 3.6),
        height_ratios=(3, 1),
        width_ratios=(1.1, 1),
        layout="constrained",
    )
    _reliability(panels["curve"], panels["shares"], members, curves)
    figure.align_ylabels([panels["curve"], panels["shares"]])
    _errors(panels["errors"], runs)
    n = len(runs)
    right = f"dots: one seed each; diamonds: mean; lines: 95 % t interval (n = {n})"
    return figure, (
        f"Left: images of {count(len(members), 'trajectory')} pooled, {BINS} bins of confidence, "
        "those with fewer than 10 images not drawn; on the diagonal, confidence equals accuracy. "
        f"Right: {right if n > 1 else 'n = 1'}. The "
        f"{candidate(findings.selected)}, and the ensemble of the same "
        "checkpoints."
    )


def _reliability(
    curve: Axes, shares: Axes, members: list[dict[str, Array]], names: Sequence[str]
) -> None:
    labels = np.concatenate([found["labels"] for found in members])
    curve.plot([0, 100], [0, 100], color="black", linewidth=0.7)
    for what in names:
        bins = reliability(np.concatenate([found[what] for found in members]), labels)
        filled = bins.count >= 10  # a bin of a few images is noise
        curve.plot(
            100 * bins.confidence[filled],
            100 * bins.accuracy[filled],
            color=COLOURS[what],
            marker=_MARKERS[what],
            label=SHORT[what],
        )
        share = 100 * bins.count / bins.count.sum()
        shares.step(
            [*(100 * bins.low), 100],
            [*share, share[-1]],
            where="post",
            color=COLOURS[what],
        )
    curve.set(ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 100))
    curve.tick_params(labelbottom=False)
    curve.legend(loc="upper left")
    shares.set(xlabel="confidence (%)", ylabel="images (%, log)", xlim=(0, 100), yscale="log")
    shares.yaxis.set_major_formatter("{x:g}")
    shares.yaxis.set_minor_formatter(NullFormatter())


def _errors(axes: Axes, runs: pd.DataFrame) -> None:
    names = compared(runs, ("window_mean", *_MARKERS))
    for place, what in enumerate(names):
        spread(axes, place, runs[f"{what}_test_calibration_error"], COLOURS[what])
    axes.set_xticks(range(len(names)), [SHORT[what].replace(" ", "\n") for what in names])
    axes.tick_params(axis="x", labelsize=6.5)
    axes.set(ylabel="expected calibration error (%)", xlim=(-0.5, len(names) - 0.5))
    axes.set_ylim(bottom=0)


def _probabilities(run: Mapping[Hashable, Any], names: Sequence[str]) -> dict[str, Array] | None:
    """Probabilities [N, classes] of those of a run's results, and its labels; None where they can't
    be read."""
    found, epochs = Predictions(Path(run["directory"]), "test"), epochs_of(run)
    logarithms = {
        "last": lambda: found.log_probabilities(epochs[-1]),
        "last_refreshed": lambda: found.log_probabilities("last_refreshed"),
        "average": lambda: found.log_probabilities("average"),
        "ensemble": lambda: found.ensemble(epochs, run["weights"]),
    }
    try:
        return {"labels": found.labels, **{name: np.exp(logarithms[name]()) for name in names}}
    except (PolyakError, OSError, ValueError, KeyError):
        return None
