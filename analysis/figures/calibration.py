"""Reliability diagram and calibration error of checkpoint, average and ensemble."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from analysis.figures.style import COLOURS, LABELS, WIDTH
from analysis.figures.subject import NotDrawnError, Subject
from analysis.read.directories import AnalysisError
from analysis.read.predictions import Array, Predictions, reliability
from analysis.statistics.intervals import t_interval

BINS = 15


def calibration(subject: Subject) -> tuple[Figure, str]:
    """Accuracy against confidence, pooled over trainings, how the confidences spread, and the
    calibration error of each training, for the reported candidate on test."""
    focus, runs = subject.answer.focus, subject.answer.runs(subject.facet)
    answers = [found for run in runs.to_dict("records") if (found := _answers(run))]
    if not answers:
        raise NotDrawnError("no run's predictions can be read")
    labels = np.concatenate([found["labels"] for found in answers])
    bins = {
        what: reliability(np.concatenate([found[what] for found in answers]), labels, BINS)
        for what in ("last", "average", "ensemble")
    }
    figure, panels = plt.subplot_mosaic(
        [["curve", "error"], ["spread", "error"]],
        figsize=(WIDTH, 3.6),
        height_ratios=(3, 1),
        width_ratios=(1.3, 1),
        layout="constrained",
    )
    curve, spread, error = panels["curve"], panels["spread"], panels["error"]
    curve.plot([0, 100], [0, 100], color="black", linewidth=0.7)
    for (what, table), marker in zip(bins.items(), "D^s", strict=True):
        filled = table[table["count"] >= 10]  # a bin of a few images says nothing
        curve.plot(
            100 * filled["confidence"],
            100 * filled["accuracy"],
            color=COLOURS[what],
            marker=marker,
            label=LABELS[what],
        )
        share = 100 * table["count"] / table["count"].sum()
        spread.step(
            [*(100 * table["low"]), 100],
            [*share, share.iloc[-1]],
            where="post",
            color=COLOURS[what],
        )
    curve.set(ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 100))
    curve.tick_params(labelbottom=False)
    curve.legend(loc="upper left")
    spread.set(xlabel="confidence (%)", ylabel="images (%, log)", xlim=(0, 100), yscale="log")
    spread.yaxis.set_major_formatter("{x:g}")
    figure.align_ylabels([curve, spread])
    names = ["window_mean", "last", "average", "ensemble"]
    for place, what in enumerate(names):
        values = 100 * runs[f"{what}_test_calibration_error"]
        jitter = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else [0.0]
        error.plot(place + np.asarray(jitter), values, "o", color=COLOURS[what], alpha=0.5)
        interval = t_interval(values.to_numpy())
        error.plot(place, interval.mean, "D", color=COLOURS[what], markersize=6)
        if interval.low is not None and interval.high is not None:
            error.plot([place] * 2, [interval.low, interval.high], color=COLOURS[what])
    error.set_xticks(range(len(names)), [LABELS[what].replace(" ", "\n") for what in names])
    error.set(ylabel="expected calibration error (%)", xlim=(-0.5, len(names) - 0.5))
    error.set_ylim(bottom=0)
    n = len(runs)
    one_training = "dots: one training each; diamonds: mean"
    return figure, (
        f"Left: images of {len(answers)} training{'s' * (len(answers) > 1)} pooled, {BINS} bins of "
        "confidence; bins with fewer than 10 images are not drawn; on the diagonal, confidence is "
        "accuracy. Right: "
        + ("n = 1" if n == 1 else f"{one_training}; lines: 95 % t interval (n = {n})")
        + f". Learning rate {focus['learning_rate']:g}, {focus['scheme']} average of epochs "
        f"{focus['start']}..{focus['end'] - 1}, and their ensemble."
    )


def _answers(run: Mapping[Hashable, Any]) -> dict[str, Array] | None:
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
