"""What would mislead a reader of the result, said beside it."""

from collections.abc import Iterator

import pandas as pd

from analysis.compare.baselines import BASELINES
from analysis.compare.findings import Findings
from analysis.units import amount, words
from polyak.evaluation.metric import ACCURACY


def cautions(findings: Findings) -> Iterator[str]:
    """A gain over poor checkpoints alone, statistics of batch norm that were not refreshed, a
    selection at the edge of the sweep, and an interval narrower than the accuracies can resolve."""
    metric = findings.metric
    if findings.below_last:
        worse = "less accurate" if metric == ACCURACY else "worse"
        lower = "lower" if metric.higher else "raise"
        yield (
            f"the average is {worse} than {BASELINES[findings.last]}: early checkpoints "
            f"{lower} the mean of the window's checkpoints, with which it is compared here"
        )
    if findings.last == "last_refreshed":
        runs = findings.runs
        refreshed, last = (f"{what}_test_{metric.name}" for what in ("last_refreshed", "last"))
        change = (runs[refreshed] - runs[last]).mean()
        yield (
            "batch norm: the average's statistics are refreshed, and of what it is compared with "
            f"only those of {BASELINES['last_refreshed']}. Refreshing alone changes that "
            f"checkpoint's test {words(metric)} by {amount(change, metric)} (mean, "
            f"n = {len(runs)}), which the gains over the others contain"
        )
    if findings.selected_on_validation:
        complete = findings.candidates[findings.candidates["complete"]]
        for key, what in (("learning_rate", "learning rate"), ("start", "first epoch")):
            values, value = sorted(complete[key].unique()), findings.selected[key]
            if len(values) > 1 and value in (values[0], values[-1]):
                end = "smallest" if value == values[0] else "largest"
                yield (
                    f"the selected {what}, {value:g}, is the {end} of the sweep: a value beyond it "
                    "may be better"
                )
    images, mechanism = findings.group.runs["test_images"].iloc[0], findings.mechanism
    low, high = mechanism.low, mechanism.high
    if metric != ACCURACY:
        return
    if low is not None and high is not None and pd.notna(images) and high - low < 2 / images:
        yield (
            f"the interval is narrower than one of the {images:,} test images: with "
            f"n = {mechanism.n} seeds that is chance, and overstates the certainty"
        )
