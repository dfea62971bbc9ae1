"""What stands beside an answer: the best average against the best last checkpoint, and against the
best ensemble; and where a selected candidate lies at the edge of what was swept.

for one in beside(answer):
    one.side.first, one.difference
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.compare.estimators import RECIPE, averages, stacked
from analysis.compare.fair import Answer, Side, best_of, differences
from analysis.statistics.intervals import Interval, t_interval


@dataclass(frozen=True)
class Beside:
    """Another candidate, selected on validation as both sides of the answer are, and how much
    better the answer's average is on test, paired by seed."""

    what: Literal["last", "ensemble"]
    side: Side
    difference: Interval


def beside(answer: Answer) -> list[Beside]:
    """The last checkpoint, which looks at validation once per recipe, where the answer is against
    another; and the ensemble of a window's checkpoints, which is deployed as so many models."""
    table = answer.table
    unaveraged = table[~table["averaged"].astype(bool)]
    given = {"ensemble": _ensembles(answer)}
    if answer.unaveraged.first["estimator"] == "best_by_validation":
        given = {"last": unaveraged[unaveraged["estimator"] != "best_by_validation"]} | given
    found = []
    for what, rows in given.items():
        if not any(answer.seeds <= set(one["seed"]) for _, one in rows.groupby(RECIPE)):
            continue
        side = best_of(rows, answer.seeds, answer.metric, answer.groups)
        if (values := differences(answer.averaged, side, answer.metric)) is not None:
            found.append(Beside("last" if what == "last" else "ensemble", side, t_interval(values)))
    return found


def _ensembles(answer: Answer) -> pd.DataFrame:
    """Of the windows and recipes that the averages are of."""
    rows = stacked(answer.groups, lambda group: averages(group, "ensemble"))
    score = f"validation_{answer.metric.name}"
    if rows.empty or score not in rows:
        return rows.reindex(columns=[*RECIPE, "seed"]).iloc[:0]
    kept = set(answer.table[RECIPE].apply(tuple, axis=1))
    rows = rows[rows[RECIPE].apply(tuple, axis=1).isin(kept)]
    return rows[rows[score].notna() & rows[f"test_{answer.metric.name}"].notna()]


def edges(answer: Answer) -> Iterator[tuple[str, str]]:
    """Side and value where what was selected is the smallest or largest of its kind that was swept:
    its learning rate, and the average's first epoch, but for 0."""
    table = answer.table
    for what, side in (("the average", answer.averaged), ("the best without", answer.unaveraged)):
        first = side.first
        of_recipe = table[
            (table["recipe"] == first["recipe"]) & (table["averaged"] == first["averaged"])
        ]
        rates = sorted(of_recipe["learning_rate"].unique())
        if len(rates) > 1 and first["learning_rate"] in (rates[0], rates[-1]):
            end = "smallest" if first["learning_rate"] == rates[0] else "largest"
            yield what, f"learning rate {first['learning_rate']:g}, the {end}"
        starts = sorted(of_recipe["start"].unique())
        if first["averaged"] and len(starts) > 1 and first["start"] in {starts[0], starts[-1]}:
            end = "earliest" if first["start"] == starts[0] else "latest"
            if first["start"] > 0:
                yield what, f"first epoch {first['start']:g}, the {end}"
