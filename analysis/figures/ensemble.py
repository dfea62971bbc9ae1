"""The average beside the ensemble of the same checkpoints."""

from matplotlib.figure import Figure

from analysis.figures.captions import band_caption, like_reported
from analysis.figures.panels import band, grid, whole_numbers
from analysis.figures.style import COLOURS, LABELS
from analysis.figures.subject import Subject


def ensemble(subject: Subject) -> tuple[Figure, str]:
    """Test accuracy of average, ensemble, last and mean checkpoint against the window's first
    epoch, a panel for each learning rate."""
    runs, left_out = like_reported(subject)
    rates = sorted(runs["learning_rate"].unique())
    figure, panels = grid(len(rates), sharey=True)
    bands = ("average", "ensemble")  # four of them would hide each other
    for axes, rate in zip(panels, rates, strict=True):
        of_rate = runs[runs["learning_rate"] == rate]
        for what, marker in zip(COLOURS, "osD^", strict=True):
            band(
                axes,
                of_rate,
                "start",
                f"{what}_test_accuracy",
                label=LABELS[what],
                color=COLOURS[what],
                marker=marker,
                linestyle="-" if what in bands else "--",
                alpha=0.15 if what in bands else 0,
            )
        axes.set(title=f"learning rate {rate:g}", xlabel="first epoch of the window")
    best = 100 * max(runs["average_test_accuracy"].max(), runs["ensemble_test_accuracy"].max())
    low = 100 * runs[["last_test_accuracy", "ensemble_test_accuracy"]].quantile(0.1).min()
    panels[0].set(ylabel="test accuracy (%)", ylim=(min(low, best - 3) - 3, best + 1))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    whole_numbers(panels)
    caption = (
        band_caption(runs, ["learning_rate", "start"]).replace(
            "bands:", "bands (average, ensemble):"
        )
        + " The ensemble averages the probabilities "
        "of the window's checkpoints, with the average's weights: it costs one evaluation a "
        "checkpoint, the average costs one. Values beyond the axis are cut off."
    )
    return figure, f"{caption} {left_out}".strip()
