"""Reliability diagram and calibration error of checkpoint, average and ensemble."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare.baselines import SHORT
from analysis.compare.findings import Findings
from analysis.figures.catalogue import NotDrawnError
from analysis.figures.panels import spread
from analysis.figures.style import COLOURS, WIDTH
from analysis.read.directories import AnalysisError
from analysis.read.predictions import Array, Predictions, reliability
from analysis.wording import candidate, count

BINS = 15


def calibration(findings: Findings) -> tuple[Figure, str]:
    """Accuracy against confidence pooled over trajectories, the distribution of confidence, and the
    calibration error per seed, of the selected candidate on test."""
    runs = findings.runs
    members = [found for run in runs.to_dict("records") if (found := _probabilities(run))]
    if not members:
        raise NotDrawnError("needs predictions, and no run's can be read")
    figure, panels = plt.subplot_mosaic(
        [["curve", "errors"], ["shares", "errors"]],
        figsize=(WIDTH, 3.6),
        height_ratios=(3, 1),
        width_ratios=(1.3, 1),
        layout="constrained",
    )
    _reliability(panels["curve"], panels["shares"], members)
    figure.align_ylabels([panels["curve"], panels["shares"]])
    _errors(panels["errors"], runs)
    n = len(runs)
    right = f"dots: one seed each; diamonds: mean; lines: 95 % t interval (n = {n})"
    return figure, (
        f"Left: images of {count(len(members), 'trajectory')} pooled, {BINS} bins of confidence, "
        "those with fewer than 10 images not drawn; on the diagonal, confidence equals accuracy. "
        f"Right: {right if n > 1 else 'n = 1'}. The {candidate(findings.selected)}, and the "
        "ensemble of the same checkpoints."
    )


def _reliability(curve: Axes, shares: Axes, members: list[dict[str, Array]]) -> None:
    labels = np.concatenate([found["labels"] for found in members])
    curve.plot([0, 100], [0, 100], color="black", linewidth=0.7)
    for what, marker in zip(("last", "average", "ensemble"), "D^s", strict=True):
        table = reliability(np.concatenate([found[what] for found in members]), labels, BINS)
        filled = table[table["count"] >= 10]  # a bin of a few images is noise
        curve.plot(
            100 * filled["confidence"],
            100 * filled["accuracy"],
            color=COLOURS[what],
            marker=marker,
            label=SHORT[what],
        )
        share = 100 * table["count"] / table["count"].sum()
        shares.step(
            [*(100 * table["low"]), 100],
            [*share, share.iloc[-1]],
            where="post",
            color=COLOURS[what],
        )
    curve.set(ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 100))
    curve.tick_params(labelbottom=False)
    curve.legend(loc="upper left")
    shares.set(xlabel="confidence (%)", ylabel="images (%, log)", xlim=(0, 100), yscale="log")
    shares.yaxis.set_major_formatter("{x:g}")


def _errors(axes: Axes, runs: pd.DataFrame) -> None:
    names = ["window_mean", "last", "average", "ensemble"]
    for place, what in enumerate(names):
        spread(axes, place, runs[f"{what}_test_calibration_error"], COLOURS[what])
    axes.set_xticks(range(len(names)), [SHORT[what].replace(" ", "\n") for what in names])
    axes.set(ylabel="expected calibration error (%)", xlim=(-0.5, len(names) - 0.5))
    axes.set_ylim(bottom=0)


def _probabilities(run: Mapping[Hashable, Any]) -> dict[str, Array] | None:
    """Probabilities [N, classes] of a run's last checkpoint, average and ensemble, and its labels;
    None where they can't be read."""
    found = Predictions(Path(run["directory"]), "test")
    try:
        return {
            "last": np.exp(found.log_probabilities(str(run["end"] - 1))),
            "average": np.exp(found.log_probabilities("average")),
            "ensemble": np.exp(found.ensemble(range(run["start"], run["end"]), run["weights"])),
            "labels": found.labels,
        }
    except (AnalysisError, OSError, ValueError, KeyError):
        return None
