"""Each checkpoint's accuracy, with the average on top."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.compare.candidates import of_candidate
from analysis.figures.captions import how_many
from analysis.figures.panels import band, grid, whole_numbers
from analysis.figures.style import BLUE, VERMILLION
from analysis.figures.subject import NotDrawnError, Subject
from analysis.read.window_table import growing


def accuracy_by_epoch(subject: Subject) -> tuple[Figure, str]:
    """Test accuracy of every checkpoint against its epoch, a panel for each learning rate, with the
    average of the reported window on top."""
    facet, focus = subject.facet, subject.answer.focus
    epochs = facet.epochs.drop_duplicates(["fingerprint", "epoch"])
    epochs = epochs[epochs["test_accuracy"].notna()]
    rates = sorted(epochs["learning_rate"].unique())
    if not rates:
        raise NotDrawnError("no run has a metrics.csv with test accuracies")
    figure, panels = grid(len(rates), sharey=True)
    drawn: dict[str, str] = {}
    window = range(focus["start"], focus["end"])
    for axes, rate in zip(panels, rates, strict=True):
        of_rate = epochs[epochs["learning_rate"] == rate]
        for _, training in of_rate.groupby("fingerprint"):
            axes.plot(
                training["epoch"],
                100 * training["test_accuracy"],
                color=BLUE,
                alpha=0.35,
                linewidth=0.7,
            )
        mean = of_rate.groupby("epoch")["test_accuracy"].mean()
        axes.plot(mean.index, 100 * mean, color=BLUE, label="checkpoints")
        candidate = focus.copy()
        candidate["learning_rate"] = rate
        own = of_candidate(facet.runs, candidate)
        running = _growing(subject, own, window)
        if len(window) > 1 and len(own) and running["fingerprint"].nunique() == len(own):
            band(axes, running, "epoch", "accuracy", color=VERMILLION, label="average so far")
            drawn["solid"] = (
                "the average of the checkpoints from the window's first epoch up to each epoch "
                "(mean, and 95 % t interval where n > 1)"
            )
        elif len(own):
            value = 100 * own["average_test_accuracy"].mean()
            axes.plot(
                [window[0], window[-1]],
                [value] * 2,
                "--",
                color=VERMILLION,
                marker="D",
                markersize=2,
                label="average of the window",
            )
            drawn["dashed"] = "the average of the whole window (mean)"
        axes.axvspan(window[0] - 0.5, window[-1] + 0.5, color="grey", alpha=0.08, linewidth=0)
        axes.set(title=f"learning rate {rate:g}", xlabel="epoch (zero-based)")
    shown = 100 * epochs["test_accuracy"]
    low = float(np.nanquantile(shown, 0.25)) - 1
    top = 100 * max(epochs["test_accuracy"].max(), facet.runs["average_test_accuracy"].max())
    panels[0].set(ylabel="test accuracy (%)", ylim=(min(low, top - 5), top + 1))
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    panels[0].legend(list(handles.values()), list(handles), loc="upper left")
    whole_numbers(panels)
    counts = epochs.groupby("learning_rate")["fingerprint"].nunique()
    blue = (
        f"Thin lines: one training each ({how_many(counts)} a panel); thick blue line: their mean"
    )
    if counts.max() == 1:
        blue = "Blue: the checkpoints of one training (n = 1 a panel)"
    average = "; ".join(f"orange, {line}: {what}" for line, what in sorted(drawn.items()))
    return figure, (
        f"{blue}; {average}. Grey: the window, epochs {focus['start']}..{focus['end'] - 1}. "
        "Epochs under the axis are cut off."
    )


def _growing(subject: Subject, runs: pd.DataFrame, window: range) -> pd.DataFrame:
    """The averages of these runs' trainings that were evaluated after every epoch of the window."""
    rows = [
        {"fingerprint": run["fingerprint"], "epoch": epoch, "accuracy": accuracy}
        for run in runs.to_dict("records")
        if set(window)
        <= set(found := growing(subject.windows, run["fingerprint"], run["scheme"], window.start))
        for epoch, accuracy in found.items()
        if epoch in window
    ]
    return pd.DataFrame(rows, columns=["fingerprint", "epoch", "accuracy"])
