"""The schemes side by side."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from analysis.figures.captions import how_many
from analysis.figures.style import COLOURS, LABELS, VERMILLION, WIDTH
from analysis.figures.subject import NotDrawnError, Subject
from analysis.statistics.intervals import t_interval


def schemes(subject: Subject) -> tuple[Figure, str]:
    """Test accuracy of each scheme at the reported window and learning rate, beside the last
    checkpoint, the mean checkpoint and the ensemble."""
    focus = subject.answer.focus
    runs = subject.facet.runs
    same = ["learning_rate", "start", "end"]
    runs = runs[(runs[same] == focus[same]).all(axis=1)]
    if runs["scheme"].nunique() < 2:
        raise NotDrawnError(
            "one scheme only: python src/train.py --multirun averaging=uniform,exponential ..."
        )
    of_focus = runs[runs["scheme"] == focus["scheme"]]
    rows = {
        LABELS[what]: (of_focus[f"{what}_test_accuracy"], COLOURS[what])
        for what in ("window_mean", "last", "ensemble")
    }
    rows |= {
        str(scheme): (members["average_test_accuracy"], VERMILLION)
        for scheme, members in runs.groupby("scheme")
    }
    figure, axes = plt.subplots(
        figsize=(WIDTH * 0.75, 0.27 * len(rows) + 1.2), layout="constrained"
    )
    for place, (values, colour) in enumerate(rows.values()):
        interval = t_interval(values.to_numpy())
        axes.plot(100 * values, [place] * len(values), "o", color=colour, alpha=0.35)
        if interval.low is not None and interval.high is not None:
            axes.plot([100 * interval.low, 100 * interval.high], [place] * 2, color=colour)
        axes.plot(100 * interval.mean, place, "D", color=colour, markersize=5)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy (%)")
    n = runs.groupby("scheme").size()
    spread = "lines: 95 % t interval of the mean; " if n.max() > 1 else ""
    return figure, (
        f"Diamonds: mean over trainings that differ in the seed ({how_many(n)}); {spread}dots: one "
        f"training each. Learning rate {focus['learning_rate']:g}, epochs {focus['start']}.."
        f"{focus['end'] - 1}. Schemes share trainings, so compare them within a training: the "
        "intervals overlap more than their differences do."
    )
