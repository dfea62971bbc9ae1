"""Everything that could be deployed from the trajectories of one budget: averages, and what one has
without averaging.

    for groups in budgets(comparison_groups(loaded)):
        table = estimators(groups)     # one row per recipe, estimator and seed

A budget is one data set, model and number of epochs; the recipes of a budget differ in learning
rate, schedule, optimizer, or whatever else was swept.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.compare.groups import Group
from analysis.compare.settings import names_of, settings_of
from analysis.read.window_table import epochs_of
from polyak.evaluation.metric import ACCURACY, LOSS, Metric

ESTIMATOR = ["recipe", "learning_rate", "estimator", "start", "end", "scheme"]
"""What identifies a candidate; the last three are empty for those that aren't averages."""

RECIPE = ESTIMATOR[:2]
"""What identifies its recipe."""

UNAVERAGED = {
    "last": "last checkpoint",
    "last_refreshed": "last checkpoint with refreshed statistics",
    "best_by_validation": "best checkpoint by validation",
}


def budgets(groups: Sequence[Group]) -> list[list[Group]]:
    """The groups that share data, model and number of epochs, together."""
    found: dict[tuple[tuple[str, str], ...], list[Group]] = {}
    for group in groups:
        settings = settings_of(group.runs.iloc[0])
        key = tuple(sorted((k, v) for k, v in settings.items() if _is_of_the_budget(k)))
        found.setdefault(key, []).append(group)
    return list(found.values())


def names_of_budgets(found: Sequence[Sequence[Group]]) -> list[str]:
    """What sets each budget apart from others of the same data, model and epochs:
    "model.depth=8"; "" where there is none."""
    firsts = [groups[0].runs.iloc[0] for groups in found]
    said = ["dataset", "train_images", "model", "epochs"]
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, first in enumerate(firsts):
        alike.setdefault(tuple(map(str, first[said])), []).append(place)
    names = [""] * len(firsts)
    for places in alike.values():
        for place, name in zip(places, _names([firsts[one] for one in places]), strict=True):
            names[place] = name
    return names


def _names(firsts: Sequence[pd.Series]) -> list[str]:
    """By the model's parameters alone, where these do."""
    for kinds in (("model.",), ("model.", "dataset.")):
        kept = [
            first.to_dict()
            | {"config": {k: v for k, v in first["config"].items() if k.startswith(kinds)}}
            for first in firsts
        ]
        names = names_of([pd.Series(one) for one in kept])
        if not any(name.endswith(")") for name in names):
            break
    return names


def _is_of_the_budget(key: str) -> bool:
    return key.startswith(("content.", "model.")) or key in ("training.epochs", "metric")


def estimators(groups: Sequence[Group], metric: Metric = ACCURACY) -> pd.DataFrame:
    """One row per candidate (`ESTIMATOR`) and seed of the groups of one budget, with the scores on
    `validation_*` and `test_*` (fractions, nats), fingerprint and directory of its run. `averaged`
    says on which side a candidate is, `label` what sets its recipe apart within the budget. By
    another metric than the runs' own primary one, the best checkpoint by validation is that of this
    metric where it was recorded after each epoch; else that of the primary one, which the runs
    have."""
    return stacked(groups, lambda group: (*averages(group), *_unaveraged(group, metric)))


def stacked(
    groups: Sequence[Group], rows_of: Callable[[Group], Iterable[Mapping[str, object]]]
) -> pd.DataFrame:
    """The rows of all groups of a budget, with their `label`."""
    labels = names_of([group.runs.iloc[0] for group in groups])
    rows = [
        {**row, "label": label}
        for group, label in zip(groups, labels, strict=True)
        for row in rows_of(group)
    ]
    return pd.DataFrame(rows)


def averages(group: Group, what: str = "average") -> Iterator[dict[str, object]]:
    """A row per run that averages several checkpoints: of the average, or of their ensemble."""
    for run in group.runs.to_dict("records"):
        if len(epochs_of(run)) > 1:
            named = {"start": run["start"], "end": run["end"], "scheme": run["scheme"]}
            yield _row(group, run, what, averaged=True, **named)


def _unaveraged(group: Group, metric: Metric) -> Iterator[dict[str, object]]:
    """Of each trajectory once: the last checkpoint is that of the whole training. With refreshed
    statistics it is as many candidates as there are ways to refresh."""
    done: set[tuple[str, ...]] = set()
    runs = sorted(group.runs.to_dict("records"), key=lambda run: not _has_predictions(run))
    for run in runs:
        whole = epochs_of(run)[-1] == run["epochs"] - 1
        for what in UNAVERAGED:
            refreshed = how_refreshed(str(run["scheme"])) if what == "last_refreshed" else ""
            key = (what, str(run["fingerprint"]), refreshed)
            if key in done or not (whole or what == "best_by_validation"):
                continue
            if pd.isna(run.get(f"{what}_test_{group.metric.name}")):
                continue
            done.add(key)
            row = _row(group, run, what, averaged=False, start=-1, end=-1, scheme=refreshed)
            by_another = what == "best_by_validation" and metric != group.metric
            yield row | (_best(group, run, metric) if by_another else {})


def how_refreshed(scheme: str) -> str:
    """What a method's name says of how statistics were refreshed, "" as usual: "refreshed on 1,000
    images"."""
    parts = [re.sub("^(last|batch norm) ", "", part) for part in scheme.split(", ")]
    found = [place for place, part in enumerate(parts) if part.startswith("refreshed")]
    return ", ".join(parts[found[0] :]) if found else ""


def _best(group: Group, run: Mapping[Any, Any], metric: Metric) -> dict[str, object]:
    """The scores of the checkpoint of the best validation score by this metric, as far as
    metrics.csv has them; {} where it doesn't have that one."""
    epochs = group.epochs[group.epochs["fingerprint"] == run["fingerprint"]]
    if (column := f"val_{metric.name}") not in epochs or epochs[column].isna().all():
        return {}
    best = epochs.loc[(metric.sign * epochs[column]).idxmax()]
    scores = {
        f"{split}_{one.name}": float(best[name])
        if (name := f"{short}_{one.name}") in best
        else None
        for split, short in (("validation", "val"), ("test", "test"))
        for one in group.metrics
    }
    return {"epoch": int(best["epoch"]), **scores}


def _has_predictions(run: Mapping[Any, Any]) -> bool:
    return Path(str(run["directory"]), "predictions", "test").is_dir()


def _row(group: Group, run: Mapping[Any, Any], what: str, **more: object) -> dict[str, object]:
    return {
        "recipe": group.name,
        "learning_rate": run["learning_rate"],
        "estimator": what,
        **more,
        "seed": run["seed"],
        "fingerprint": run["fingerprint"],
        "directory": run["directory"],
        "own": bool(run.get("own", False)),
        "stride": run["stride"],
        "epoch": run.get(f"{what}_epoch"),
        **{
            f"{split}_{name}": run.get(f"{what}_{split}_{name}")
            for split in ("validation", "test")
            for name in dict.fromkeys((LOSS.name, *(metric.name for metric in group.metrics)))
        },
    }
