"""Everything that could be deployed from the trajectories of one budget: averages, and what one has
without averaging.

    for groups in budgets(comparison_groups(loaded)):
        table = estimators(groups)     # one row per recipe, estimator and seed

A budget is one data set, model and number of epochs; the recipes of a budget differ in learning
rate, schedule, optimizer, or whatever else was swept.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.compare.groups import Group
from analysis.compare.settings import settings_of
from analysis.read.window_table import epochs_of

ESTIMATOR = ["recipe", "learning_rate", "estimator", "start", "end", "scheme"]
"""What identifies a candidate; the last three are empty for those that aren't averages."""

UNAVERAGED = {
    "last": "last checkpoint",
    "last_refreshed": "last checkpoint with refreshed statistics",
    "best_by_validation": "best checkpoint by validation",
}

SCORES = ("accuracy", "loss", "calibration_error")


def budgets(groups: Sequence[Group]) -> list[list[Group]]:
    """The groups that share data, model and number of epochs, together."""
    found: dict[tuple[tuple[str, str], ...], list[Group]] = {}
    for group in groups:
        settings = settings_of(group.runs.iloc[0])
        key = tuple(sorted((k, v) for k, v in settings.items() if _is_of_the_budget(k)))
        found.setdefault(key, []).append(group)
    return list(found.values())


def _is_of_the_budget(key: str) -> bool:
    return key.startswith(("content.", "model.")) or key == "training.epochs"


def estimators(groups: Sequence[Group]) -> pd.DataFrame:
    """One row per candidate (`ESTIMATOR`) and seed of the groups of one budget, with the scores on
    `validation_*` and `test_*` (fractions, nats), fingerprint and directory of a run that has its
    predictions. `averaged` says on which side a candidate is."""
    rows = [row for group in groups for row in (*_averages(group), *_unaveraged(group))]
    return pd.DataFrame(rows)


def _averages(group: Group) -> Iterator[dict[str, object]]:
    for run in group.runs.to_dict("records"):
        if len(epochs_of(run)) > 1:
            named = {"start": run["start"], "end": run["end"], "scheme": run["scheme"]}
            yield _row(group, run, "average", "average", averaged=True, **named)


def _unaveraged(group: Group) -> Iterator[dict[str, object]]:
    """Of each trajectory once: the last checkpoint is that of the whole training."""
    done: set[tuple[str, str]] = set()
    for run in group.runs.to_dict("records"):
        whole = epochs_of(run)[-1] == run["epochs"] - 1
        for what in UNAVERAGED:
            if (what, run["fingerprint"]) in done or not (whole or what == "best_by_validation"):
                continue
            if pd.isna(run.get(f"{what}_test_accuracy")):
                continue
            done.add((what, run["fingerprint"]))
            yield _row(group, run, what, what, averaged=False, start=-1, end=-1, scheme="")


def _row(
    group: Group, run: Mapping[Any, Any], what: str, name: str, **more: object
) -> dict[str, object]:
    return {
        "recipe": group.name,
        "learning_rate": run["learning_rate"],
        "estimator": name,
        **more,
        "seed": run["seed"],
        "fingerprint": run["fingerprint"],
        "directory": run["directory"],
        "stride": run["stride"],
        "epoch": run.get(f"{what}_epoch"),
        **{
            f"{split}_{score}": run.get(f"{what}_{split}_{score}")
            for split in ("validation", "test")
            for score in SCORES
        },
    }
