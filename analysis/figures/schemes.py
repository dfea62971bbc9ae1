"""The schemes side by side."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from analysis.compare.baselines import SHORT, compared
from analysis.compare.findings import Findings
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import spread
from analysis.figures.style import WIDTH
from analysis.wording import n_of, window
from polyak.runs.style import COLOURS, VERMILLION


def schemes(findings: Findings) -> tuple[Figure, str]:
    """Test accuracy of each scheme at the selected window and learning rate, beside the mean
    checkpoint, the last, also with refreshed statistics, and the ensemble."""
    selected, runs = findings.selected, findings.group.runs
    same = ["learning_rate", "start", "end"]
    runs = runs[(runs[same] == selected[same]).all(axis=1)]
    if runs["scheme"].nunique() < 2:
        raise NotDrawnError(
            "needs several schemes: python src/train.py --multirun "
            "averaging=uniform,exponential ..."
        )
    of_selected = runs[runs["scheme"] == selected["scheme"]]
    rows = {
        SHORT[what]: (of_selected[f"{what}_test_accuracy"], COLOURS[what])
        for what in compared(of_selected, ("window_mean", "last", "last_refreshed", "ensemble"))
    }
    rows |= {
        str(scheme): (members["average_test_accuracy"], VERMILLION)
        for scheme, members in runs.groupby("scheme")
    }
    figure, axes = plt.subplots(
        figsize=(WIDTH * 0.75, 0.27 * len(rows) + 1.2), layout="constrained"
    )
    for place, (values, colour) in enumerate(rows.values()):
        spread(axes, place, values, colour, horizontal=True)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy (%)")
    n = runs.groupby("scheme").size()
    lines = "lines: 95 % t interval of the mean; " if n.max() > 1 else ""
    epochs = window(selected["start"], selected["end"], selected["stride"])
    return figure, (
        f"Diamonds: mean over seeds ({n_of(n)}); {lines}dots: one seed each. Learning rate "
        f"{selected['learning_rate']:g}, {epochs}; checkpoints and "
        f"ensemble: those of {selected['scheme']}. Schemes share trajectories, "
        "so compare them within a trajectory: the intervals overlap more than their differences do."
    )
