"""The answers of several budgets, data sets or models, side by side and in one number.

found = across(answers)          # None for one budget
found.table                      # one row per budget
found.summary, found.kinds       # interquartile mean of the differences; how many are better
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.compare.fair import Answer, NoAnswer
from analysis.statistics.equivalence import Kind
from analysis.statistics.interquartile_mean import InterquartileMean, interquartile_mean
from polyak.evaluation.metric import Metric

FEWEST = 4
"""Budgets from which on there is a summary: the least for which it was simulated, and already too
narrow there (docs/analysis.md). Of fewer, the middle half is hardly more than one of them."""


@dataclass(frozen=True, eq=False)
class Across:
    """`names`: what sets each of `budgets` apart, as short as it can be. `summary`: the
    interquartile mean of all paired differences by seed, in the metric's unit, positive where the
    average is better; None for fewer than FEWEST answers, or answers by several metrics."""

    budgets: tuple[Answer | NoAnswer, ...]
    names: tuple[str, ...]
    summary: InterquartileMean | None

    @property
    def title(self) -> str:
        """How many budgets."""
        return f"Across {len(self.budgets)} budgets"

    @property
    def answers(self) -> dict[str, Answer]:
        """Those that there are, by name."""
        named = zip(self.names, self.budgets, strict=True)
        return {name: one for name, one in named if isinstance(one, Answer)}

    @property
    def without_answer(self) -> dict[str, str]:
        """The reasons of the others, by name."""
        named = zip(self.names, self.budgets, strict=True)
        return {name: one.reason for name, one in named if isinstance(one, NoAnswer)}

    @property
    def metric(self) -> Metric | None:
        """By which all were compared; None without any answer, or where they differ."""
        return _metric(self.budgets)

    @property
    def kinds(self) -> dict[Kind, int]:
        """How many answers are of each kind."""
        found = Counter(one.conclusion.kind for one in self.answers.values())
        order: tuple[Kind, ...] = ("better", "worse", "equivalent", "undecided")
        return {kind: found[kind] for kind in order}

    @property
    def table(self) -> pd.DataFrame:
        """One row per budget, in the metric's unit: the mean scores on test, the difference, its t
        interval, and that over seeds and images together. `reason`: why there is no answer."""
        rows = [
            {"budget": name, "title": one.title, **_row(one, named=self.metric is None)}
            for name, one in zip(self.names, self.budgets, strict=True)
        ]
        return pd.DataFrame(rows)


def across(budgets: Sequence[Answer | NoAnswer]) -> Across | None:
    """The answers of several budgets together; None for fewer than two budgets."""
    if len(budgets) < 2:
        return None
    differences = [one.pairs["difference"].to_numpy() for one in budgets if isinstance(one, Answer)]
    enough = len(differences) >= FEWEST and _metric(budgets) is not None
    summary = interquartile_mean(differences) if enough else None
    return Across(tuple(budgets), short_names(budgets), summary)


def short_names(budgets: Sequence[Answer | NoAnswer]) -> tuple[str, ...]:
    """Of a budget's parts those in which budgets differ; how many training images only where
    budgets would have one name without."""
    parts = [one.parts for one in budgets]
    differing = [place for place in range(5) if len({one[place] for one in parts}) > 1]
    for places in ([place for place in differing if place != 1], differing):
        names = tuple(", ".join(filter(None, (one[place] for place in places))) for one in parts)
        if len(set(names)) == len(names):
            return names
    return tuple(f"{name} ({number})".strip() for number, name in enumerate(names, start=1))


def _metric(budgets: Sequence[Answer | NoAnswer]) -> Metric | None:
    found = {one.metric for one in budgets if isinstance(one, Answer)}
    return found.pop() if len(found) == 1 else None


def _row(one: Answer | NoAnswer, named: bool) -> dict[str, object]:
    """`named`: with its metric."""
    if isinstance(one, NoAnswer):
        return {"conclusion": None, "reason": one.reason}
    found, two_way = one.conclusion, one.two_way
    return {
        **({"metric": one.metric.name} if named else {}),
        "n": found.interval.n,
        "averaged": one.averaged.mean(one.metric),
        "without": one.unaveraged.mean(one.metric),
        "difference": found.interval.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "two_way_low": two_way.low if two_way else None,
        "two_way_high": two_way.high if two_way else None,
        "conclusion": found.kind,
        "within_margin": found.within_margin,
        "reason": "",
    }
