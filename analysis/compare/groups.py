"""Which runs may be compared: one group per data set, model and budget.

    for group in comparison_groups(loaded):
        group.name      # "" where there is one; else what sets it apart: "schedule=cosine"
        group.runs      # its finished runs, each measurement once

Within a group, runs differ in learning rate, seed, window and scheme alone, and in the validation
split where `dataset.split_seed` draws it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.compare.baselines import metric_of
from analysis.compare.settings import names_of, settings_of, split_seed
from analysis.compare.what_counts import counted
from analysis.read.load import Loaded
from analysis.read.summary_row import whole_numbers
from analysis.wording import count, how_many
from polyak.evaluation.metric import ACCURACY, CALIBRATION_ERROR, LOSS, Metric

_WHOLE = ("seed", "epochs", "start", "end", "stride", "count", "train_images")


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that may be compared. `config`: the configuration of the first of them. `unmeasured`:
    the runs without results that belong to it, as far as their configuration says."""

    name: str
    runs: pd.DataFrame
    config: Mapping[str, Any]
    epochs: pd.DataFrame
    unmeasured: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def metric(self) -> Metric:
        """The primary one, by which its runs are compared."""
        return metric_of(self.runs)

    @cached_property  # every row of every table asks for them
    def metrics(self) -> tuple[Metric, ...]:
        """Those that the average of every run has, on test, and of whose direction none differs."""
        agreed = set.intersection(*(set(known) for known in self.runs["metrics_known"]))
        return tuple(
            metric
            for metric in sorted(agreed, key=_place)
            if (column := f"average_test_{metric.name}") in self.runs
            and self.runs[column].notna().all()
        )

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation split to select on."""
        column = f"average_validation_{self.metric.name}"
        return column in self.runs and bool(self.runs[column].notna().all())

    @property
    def trajectories(self) -> int:
        """How many there are."""
        return int(self.runs["fingerprint"].nunique())

    @property
    def unfinished(self) -> int:
        """How many of its runs are running, killed or not begun."""
        return int(self.unmeasured["status"].isin(["unfinished", "missing"]).sum())

    @property
    def title(self) -> str:
        """Data, model and recipe; it says where the images are synthetic, or a substitute."""
        first = self.runs.iloc[0]
        said = ("", f"dataset={first['dataset']}", f"model={first['model']}")
        return (
            f"{first['dataset']}{kind_of(first)}, {training_images([self])} training / "
            f"{how_many(first['test_images'])} test images, {first['model']}, {first['optimizer']}"
            + (f", {first['schedule'].lower()} schedule" if self._names_its_schedule else "")
            + "".join(f", {part}" for part in self.name.split(", ") if part not in said)
        )

    @property
    def _names_its_schedule(self) -> bool:
        return self.runs["schedule"].iloc[0] != "Constant" and "schedule=" not in self.name

    @property
    def population(self) -> str:
        """ "18 runs of 6 trajectories; 1 not finished, 2 failed"."""
        failed = len(self.unmeasured) - self.unfinished
        text = f"{count(len(self.runs), 'run')} of {count(self.trajectories, 'trajectory')}"
        lacking = [f"{self.unfinished:,} not finished"] * bool(self.unfinished)
        lacking += [f"{failed:,} failed"] * bool(failed)
        return "; ".join([text, ", ".join(lacking)] if lacking else [text])


def _place(metric: Metric) -> tuple[int, str]:
    """Those of logits first."""
    known = [ACCURACY, LOSS, CALIBRATION_ERROR]
    return (known.index(metric) if metric in known else len(known), metric.name)


def training_images(groups: Sequence[Group]) -> str:
    """How many there are, for titles: "4,500", or "4,498 to 4,502" where splits that are drawn have
    whole groups of images; "unknown number of" where no run says."""
    low = min(group.runs["train_images"].min() for group in groups)
    high = max(group.runs["train_images"].max() for group in groups)
    return how_many(low) if pd.isna(low) or low == high else f"{low:,} to {high:,}"


def kind_of(run: pd.Series) -> str:
    """What a title must say of a run's images: "" for those that were asked for, and real."""
    if isinstance(run["substitute_for"], str):
        return f" (synthetic, NOT {run['substitute_for']})"
    return " (synthetic)" if run["synthetic"] else ""


def comparison_groups(loaded: Loaded) -> list[Group]:
    """The groups of all finished runs, the largest first; none where no run has finished."""
    finished = loaded.runs[loaded.runs["status"] == "finished"]
    members: dict[Any, list[Any]] = {}
    for index, row in finished.iterrows():
        members.setdefault(tuple(sorted(settings_of(row).items())), []).append(index)
    firsts = [finished.loc[indices[0]] for indices in members.values()]
    names = names_of(firsts)
    found = []
    for (key, indices), name, first in zip(members.items(), names, firsts, strict=True):
        runs = finished.loc[indices]
        whole = {name for name in whole_numbers(runs) if runs[name].notna().all()}
        runs = runs.astype({name: int if name in whole else float for name in _WHOLE})
        kept, notes = counted(runs, finished)
        of_group = loaded.epochs["run"].isin(runs["run"])
        found.append(
            Group(
                name=name,
                runs=kept,
                config=first["config"],
                epochs=loaded.epochs[
                    of_group & loaded.epochs["fingerprint"].isin(kept["fingerprint"])
                ],
                unmeasured=_unmeasured(loaded.runs, dict(key), first["config"], len(members) == 1),
                notes=tuple(notes),
            )
        )
    return sorted(found, key=lambda group: -len(group.runs))


def _unmeasured(
    runs: pd.DataFrame, settings: Mapping[str, str], config: Mapping[str, Any], alone: bool
) -> pd.DataFrame:
    """Runs without results that would be in a group, as far as their composed configuration says:
    those without one only where the group is `alone`."""
    others = runs[runs["status"] != "finished"]
    keys = [key for key in settings if key != "metric" and not key.startswith("content.")]
    splits = [f"dataset.{key}" for key in ("validation", "limit_train", "limit_test")]

    def agrees(found: Any) -> bool:
        if not isinstance(found, dict):
            return alone
        if (split_seed(found) is None) != (split_seed(config) is None):
            return False
        return all(str(found.get(key)) == settings[key] for key in keys) and all(
            str(found.get(key)) == str(config.get(key)) for key in splits
        )

    known = others["config"] if "config" in others else [None] * len(others)
    return others[pd.Series([agrees(one) for one in known], others.index, dtype=bool)]
