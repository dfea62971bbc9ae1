"""Which candidate is reported: selected on validation, wherever validation allows it.

selection = select(group, candidates)
selection.candidate, selection.on_validation, selection.reason
"""

from dataclasses import dataclass

import pandas as pd

from analysis.compare.candidates import by_validation
from analysis.compare.groups import Group
from analysis.units import words


@dataclass(frozen=True)
class Selection:
    """The reported candidate, whether validation selected it among several, and the reason."""

    candidate: pd.Series
    on_validation: bool
    reason: str


def select(group: Group, candidates: pd.DataFrame) -> Selection:
    """The candidate to report. Test scores never enter."""
    complete = candidates[candidates["complete"]]
    number, incomplete = len(complete), len(candidates) - len(complete)
    if len(candidates) == 1:
        measured = " with results" if len(group.unmeasured) else ""
        return Selection(candidates.iloc[0], False, f"the only candidate{measured}")
    if group.has_validation and number > 1:
        reason = f"selected from {number} candidates by mean validation {words(group.metric)}"
        if incomplete:
            reason += f" ({incomplete} more lack a seed and could not be selected)"
        return Selection(by_validation(candidates, group.metric).iloc[0], True, reason)
    if group.has_validation:
        reason = f"it alone has all seeds of the comparison ({incomplete} more lack one)"
    else:
        reason = (
            f"without a validation split, selecting among {len(candidates)} candidates would use "
            "the test split"
        )
    if number > 1:
        reason += "; this window starts nearest to half of the epochs"
    return Selection(
        _nearest_to_the_middle(group, complete), False, f"reported, not selected: {reason}"
    )


def _nearest_to_the_middle(group: Group, candidates: pd.DataFrame) -> pd.Series:
    """The start nearest to half of the epochs, then the middle learning rate: any rule will do that
    looks at no result."""
    start = (candidates["start"] - group.runs["epochs"].max() / 2).abs()
    rate = (candidates["learning_rate"].rank(pct=True) - 0.5).abs()
    distance = pd.DataFrame({"start": start, "rate": rate})
    order = distance.sort_values(["start", "rate"], kind="stable").index
    nearest: pd.Series = candidates.loc[order[0]]
    return nearest
