"""The schemes side by side."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from analysis.compare.baselines import SHORT, compared
from analysis.compare.findings import Findings
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import spread
from analysis.figures.style import WIDTH
from analysis.units import axis_label, scale_of
from analysis.wording import n_of, window
from polyak.runs.style import COLOURS, VERMILLION


def schemes(findings: Findings) -> tuple[Figure, str]:
    """Test score of each scheme at the selected window and learning rate, beside the mean
    checkpoint, the last, also with refreshed statistics, and the ensemble."""
    selected, runs, metric = findings.selected, findings.group.runs, findings.metric
    same = ["learning_rate", "start", "end"]
    runs = runs[(runs[same] == selected[same]).all(axis=1)]
    if runs["scheme"].nunique() < 2:
        raise NotDrawnError(
            "needs several schemes: python src/train.py --multirun "
            "averaging=uniform,exponential ..."
        )
    of_selected = runs[runs["scheme"] == selected["scheme"]]
    rows = {
        SHORT[what]: (of_selected[f"{what}_test_{metric.name}"], COLOURS[what])
        for what in compared(of_selected, ("window_mean", "last", "last_refreshed", "ensemble"))
    }
    rows |= {
        str(scheme): (members[f"average_test_{metric.name}"], VERMILLION)
        for scheme, members in runs.groupby("scheme")
    }
    figure, axes = plt.subplots(
        figsize=(WIDTH * 0.75, 0.27 * len(rows) + 1.2), layout="constrained"
    )
    for place, (values, colour) in enumerate(rows.values()):
        spread(axes, place, values, colour, horizontal=True, scale=scale_of(metric))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlabel(axis_label(metric, "test"))
    n = runs.groupby("scheme").size()
    lines = "lines: 95 % t interval of the mean; " if n.max() > 1 else ""
    epochs = window(selected["start"], selected["end"], selected["stride"])
    return figure, (
        f"Diamonds: mean over seeds ({n_of(n)}); {lines}dots: one seed each. Learning rate "
        f"{selected['learning_rate']:g}, {epochs}; {_references(of_selected)}: "
        f"those of {selected['scheme']}. Schemes share trajectories, "
        "so compare them within a trajectory: the intervals overlap more than their differences do."
    )


def _references(runs: pd.DataFrame) -> str:
    """Those drawn beside the schemes."""
    return "checkpoints" + " and ensemble" * ("ensemble" in compared(runs, ["ensemble"]))
