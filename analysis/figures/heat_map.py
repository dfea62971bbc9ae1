"""Score and gain of the average over the grid of start epochs and learning rates."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.compare.baselines import SHORT, gain_over
from analysis.compare.candidates import CANDIDATE
from analysis.compare.findings import Findings
from analysis.figures.captions import like_selected
from analysis.figures.drawn import NotDrawnError
from analysis.figures.panels import grid
from analysis.figures.style import WIDTH
from analysis.units import axis_label, plural, scale_of, unit_of_differences, words
from analysis.wording import n_of
from polyak.evaluation.metric import Metric

AXES = ["learning_rate", "start"]


def heat_map(findings: Findings) -> tuple[Figure, str]:
    """The average's test score and its gain in the mechanism's comparison, per start epoch and
    learning rate; the selected candidate and the oracle are outlined."""
    runs, left_out = like_selected(findings)
    counts = runs.groupby(AXES).size()
    rates = runs["learning_rate"].nunique()
    if rates * runs["start"].nunique() < 2:
        raise NotDrawnError("needs more than one start epoch or learning rate")
    metric = findings.metric
    figure, (of_scores, gain) = grid(2, columns=1, height=max(1.1, 0.32 * rates + 0.6))
    figure.set_size_inches(WIDTH, figure.get_size_inches()[1])
    columns = (f"average_test_{metric.name}", gain_over(findings.baseline))
    scores, gains = (_shown(runs, name, scale_of(metric)) for name in columns)
    # Windows with the first epochs would take the whole range of colours.
    low, high = float(np.nanquantile(scores, 0.2)), float(np.nanmax(scores))
    if not metric.higher:
        low, high = float(np.nanmin(scores)), float(np.nanquantile(scores, 0.8))
    limit = max(float(np.nanmax(np.abs(gains))), 0.001 * scale_of(metric))
    marks = _marks(findings)
    worst = "min" if metric.higher else "max"
    over = f"gain over {SHORT[findings.baseline]} ({unit_of_differences(metric)})"
    for axes, table, title, limits, colours in (
        (of_scores, scores, _title(metric), (low, high), "cividis" + "_r" * (not metric.higher)),
        (gain, gains, over, (-limit, limit), "PuOr"),
    ):
        sns.heatmap(
            table,
            ax=axes,
            cmap=colours,
            vmin=limits[0],
            vmax=limits[1],
            annot=_labels(table, counts.unstack(), metric) if table.size <= 150 else False,
            fmt="",
            annot_kws={"fontsize": 7},
            cbar_kws={"extend": worst if axes is of_scores else "neither"},
            linewidths=0.5,
            yticklabels=[f"{rate:g}" for rate in table.index],
        )
        axes.set(xlabel="first epoch of the window", ylabel="learning rate", title=title)
        axes.tick_params(axis="y", rotation=0)
        axes.grid(visible=False)
        for candidate, colour in marks.values():
            _outline(axes, table, candidate, colour)
    outlined = "; ".join(f"{colour}: {what}" for what, (_, colour) in marks.items())
    return figure, (
        f"Each cell: mean over seeds ({n_of(counts)}); empty: no finished run. Outlined in "
        f"{outlined}. The {'lowest' if metric.higher else 'highest'} fifth of the "
        f"{plural(metric)} has one colour. {left_out}"
    ).strip()


def _title(metric: Metric) -> str:
    """ "test accuracy of the average (%)"."""
    what, unit = f"test {words(metric)}", axis_label(metric, "test")
    return f"{what} of the average{unit.removeprefix(what)}"


def _shown(runs: pd.DataFrame, column: str, scale: float) -> pd.DataFrame:
    return scale * runs.pivot_table(index=AXES[0], columns=AXES[1], values=column)


def _labels(table: pd.DataFrame, counts: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """The numbers of a map; n where a cell has fewer seeds than others."""
    digits = ".1f" if scale_of(metric) > 1 else ".3g"
    texts = table.map(lambda value: "" if np.isnan(value) else f"{value:{digits}}")
    fewer = counts.map(lambda n: f"\nn={n:.0f}").where(counts < counts.max(axis=None), "")
    return texts + fewer


def _marks(findings: Findings) -> dict[str, tuple[pd.Series, str]]:
    """The outlined candidates and their colours: the oracle only where the map has it."""
    selected, oracle = findings.selected, findings.oracle
    if (selected[CANDIDATE] == oracle[CANDIDATE]).all():
        return {f"{findings.status}, also the best by test (oracle)": (selected, "red")}
    marks = {findings.status: (selected, "red")}
    if (oracle[["end", "scheme"]] == selected[["end", "scheme"]]).all():
        marks["the best by test (oracle)"] = (oracle, "orange")
    return marks


def _outline(axes: Axes, table: pd.DataFrame, candidate: pd.Series, colour: str) -> None:
    columns, rows = list(table.columns), list(table.index)
    place = (columns.index(candidate["start"]), rows.index(candidate["learning_rate"]))
    frame: Any = {"fill": False, "linewidth": 1.8, "clip_on": False, "zorder": 5}
    axes.add_patch(Rectangle(place, 1, 1, edgecolor=colour, **frame))
