"""What the candidates of a budget have on validation, where they are selected, and on test."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from analysis.compare.estimators import ESTIMATOR
from analysis.compare.fair import Answer
from analysis.figures.drawn import NotDrawnError
from analysis.figures.scores import RING, SIDES
from analysis.figures.style import WIDTH
from analysis.units import amount, axis_label, scale_of
from analysis.wording import count

MANY = 12
"""Candidates from which on the poorest quarter is left out: an average with the first epochs may be
near chance, and would push all others together."""


def selection(answer: Answer) -> tuple[Figure, str]:
    """Test against validation score of every candidate, mean over the seeds of the comparison: the
    two that were selected, and the best by test of each side, an oracle.

    The splits differ in difficulty, so the diagonal means nothing. The line is parallel to it, at
    the typical (median) difference of the two splits: what a candidate would have on test if
    validation were no luckier for it than for others. The best on validation lies on the worse side
    of it by as much as its selection has flattered it. A fitted line would not show this: it
    expects the best to fall back."""
    table = candidates(answer)
    if len(table) < 3:
        raise NotDrawnError("needs several candidates to select from: windows or learning rates")
    scale, typical = scale_of(answer.metric), float((table["test"] - table["validation"]).median())
    kept = _without_the_poorest(table, answer)
    figure, axes = plt.subplots(figsize=(WIDTH * 0.6, 3.5), layout="constrained")
    dots: Any = {"linestyle": "none", "alpha": 0.6, "mec": "none", "markersize": 5}
    cross: Any = {"marker": "x", "color": "black", "linestyle": "none", "zorder": 3}
    flattered = {}
    for averaged, side in ((False, answer.unaveraged), (True, answer.averaged)):
        of_side = scale * kept.loc[kept["averaged"] == averaged, ["validation", "test"]]
        axes.plot(of_side["validation"], of_side["test"], **SIDES[averaged], **dots)
        best = (answer.metric.sign * of_side["test"]).argmax()
        axes.plot(*of_side.iloc[best], **cross)
        selected = table.loc[tuple(side.first[ESTIMATOR])]
        axes.plot(scale * selected["validation"], scale * selected["test"], **RING)
        excess = selected["test"] - selected["validation"] - typical
        better = "better" if answer.metric.sign * excess > 0 else "worse"
        flattered[averaged] = f"{amount(abs(excess), answer.metric, signed=False)} {better}"
    start = scale * float(kept["validation"].mean())
    axes.axline((start, start + scale * typical), slope=1, color="#999999", linewidth=0.9, zorder=0)
    axes.plot([], [], **RING, label="selected")
    axes.plot([], [], **cross, label="best on test (oracle)")
    axes.set(
        xlabel=axis_label(answer.metric, "validation"), ylabel=axis_label(answer.metric, "test")
    )
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    left_out = ""
    if poorest := len(table) - len(kept):
        left_out = f" Not shown: the {count(poorest, 'candidate')} poorest on validation."
    return figure, (
        f"Dots: {count(len(kept), 'candidate')}, each the mean over the same "
        f"{count(len(answer.seeds), 'seed')}. Line: what a candidate would have on test if it "
        "differed from validation as the median candidate does; one selected for its luck on "
        f"validation is worse. Here the selected average is {flattered[True]} than the line, and "
        f"the selected candidate without averaging {flattered[False]}.{left_out}"
    )


def candidates(answer: Answer) -> pd.DataFrame:
    """One row per candidate that has all seeds of the comparison: its mean scores by the metric,
    and its side."""
    rows = answer.table[answer.table["seed"].isin(answer.seeds)]
    rows = rows.drop_duplicates([*ESTIMATOR, "seed"])
    scores = {
        split: rows[f"{split}_{answer.metric.name}"].astype(float)
        for split in ("validation", "test")
    }
    grouped = rows.assign(**scores).groupby(ESTIMATOR)
    means = grouped[["validation", "test"]].mean().assign(averaged=grouped["averaged"].first())
    return means[grouped.size() == len(answer.seeds)]


def _without_the_poorest(table: pd.DataFrame, answer: Answer) -> pd.DataFrame:
    """The better three quarters on validation, of many; and all that is marked."""
    if len(table) < MANY:
        return table
    better = answer.metric.sign
    selected = [tuple(side.first[ESTIMATOR]) for side in (answer.averaged, answer.unaveraged)]
    oracles = (better * table["test"]).groupby(table["averaged"]).idxmax()
    rank = (better * table["validation"]).rank(ascending=False, method="first")
    return table[(rank <= 0.75 * len(table)) | table.index.isin([*selected, *oracles])]
