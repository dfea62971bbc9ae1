"""Which runs may be compared: one facet for each data set, model and recipe; never mixed.

    for facet in facets(loaded):
        facet.name      # "" where there is one; else what sets it apart: "schedule=cosine"
        facet.runs      # its finished runs, each measurement once

Within a facet, runs differ in learning rate, seed, window and scheme alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.compare.settings import names_of, settings_of
from analysis.read.load import Loaded

MEASUREMENT = ["fingerprint", "test_key", "validation_key", "start", "end", "scheme"]
"""Runs that agree in these measured the same thing."""

_WHOLE = dict.fromkeys(("seed", "epochs", "start", "end", "count", "train_images"), int)


@dataclass(frozen=True, eq=False)
class Facet:
    """Runs that may be compared. `settings`: the configuration of the first of them. `unmeasured`:
    the runs of this facet, as far as can be told, that have no numbers."""

    name: str
    runs: pd.DataFrame
    settings: Mapping[str, Any]
    epochs: pd.DataFrame
    unmeasured: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation split to choose on."""
        return "average_validation_accuracy" in self.runs and bool(
            self.runs["average_validation_accuracy"].notna().all()
        )

    @property
    def trainings(self) -> int:
        """How many trajectories."""
        return int(self.runs["fingerprint"].nunique())

    @property
    def title(self) -> str:
        """Data and sizes for titles; it says so where the data are drawn, or a substitute."""
        first = self.runs.iloc[0]
        kind = " (synthetic)" if first["synthetic"] else ""
        if isinstance(first["substitute_for"], str):
            kind = f" (synthetic, NOT {first['substitute_for']})"
        return (
            f"{first['dataset']}{kind}, {first['train_images']:,.0f} training / "
            f"{first['test_images']:,.0f} test images, {first['model']}, {first['optimizer']}"
            + (f", {first['schedule'].lower()} schedule" if first["schedule"] != "Constant" else "")
            + (f", {self.name}" if self.name else "")
        )

    @property
    def unfinished(self) -> int:
        """How many of its runs are still to come: running, killed or not begun."""
        return int(self.unmeasured["status"].isin(["unfinished", "missing"]).sum())

    @property
    def to_come(self) -> str:
        """How many, in words; "" for none."""
        return _count(self.unfinished, "run") if self.unfinished else ""

    @property
    def population(self) -> str:
        """How many runs and trainings any figure of it is made from."""
        failed = len(self.unmeasured) - self.unfinished
        lacking = [f"{self.unfinished:,} not finished"] * bool(self.unfinished)
        lacking += [f"{failed:,} failed"] * bool(failed)
        return "; ".join(
            [
                f"{_count(len(self.runs), 'run')} of {_count(self.trainings, 'training')}",
                *([", ".join(lacking)] if lacking else []),
            ]
        )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def facets(loaded: Loaded) -> list[Facet]:
    """The facets of all finished runs, the largest first; none where no run has finished."""
    runs = loaded.runs
    usable = runs[runs["status"] == "finished"]
    if usable.empty:
        return []
    groups: dict[Any, list[Any]] = {}
    for index, row in usable.iterrows():
        groups.setdefault(tuple(sorted(settings_of(row).items())), []).append(index)
    firsts = [usable.loc[members[0]] for members in groups.values()]
    found = []
    for (key, members), name, first in zip(groups.items(), names_of(firsts), firsts, strict=True):
        members_runs = usable.loc[members].astype(_WHOLE)
        measured = members_runs.drop_duplicates(MEASUREMENT)
        counted, left_out = one_training_a_seed(measured)
        found.append(
            Facet(
                name=name,
                runs=counted,
                settings=first["config"],
                epochs=loaded.epochs[
                    loaded.epochs["run"].isin(members_runs["run"])
                    & loaded.epochs["fingerprint"].isin(counted["fingerprint"])
                ],
                unmeasured=_unmeasured(runs, dict(key), first["config"], alone=len(groups) == 1),
                notes=(*_repeats(members_runs), *left_out, *_mixed(counted)),
            )
        )
    return sorted(found, key=lambda facet: -len(facet.runs))


def one_training_a_seed(measured: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The runs of one training for each learning rate and seed, and a note where others are left
    out: the same seed trained again by other code is no independent evidence. Of several, the one
    with the most runs counts, then the first."""
    axes = ["learning_rate", "seed"]
    sizes = measured.groupby([*axes, "fingerprint"], sort=False).size().reset_index(name="runs")
    kept = sizes.sort_values("runs", ascending=False, kind="stable").drop_duplicates(axes)
    if len(kept) == len(sizes):
        return measured, []
    counted = measured[measured["fingerprint"].isin(kept["fingerprint"])]
    return counted, [
        f"{_count(len(sizes) - len(kept), 'training')} of a seed and learning rate that another "
        "one has too, by other code or on other images, "
        f"{'are' if len(sizes) - len(kept) > 1 else 'is'} left out "
        f"({_count(len(measured) - len(counted), 'run')}): they are no independent evidence"
    ]


def _unmeasured(
    runs: pd.DataFrame, settings: Mapping[str, str], config: Mapping[str, Any], *, alone: bool
) -> pd.DataFrame:
    """Runs without numbers that would be in a facet, as far as their composed configuration says:
    those without one only where the facet is alone."""
    others = runs[runs["status"] != "finished"]
    keys = [key for key in settings if not key.startswith("content.")]
    splits = [f"dataset.{key}" for key in ("validation", "limit_train", "limit_test")]

    def agrees(found: Any) -> bool:
        if not isinstance(found, dict):
            return alone
        return all(str(found.get(key)) == settings[key] for key in keys) and all(
            str(found.get(key)) == str(config.get(key)) for key in splits
        )

    known = others["config"] if "config" in others else [None] * len(others)
    return others[pd.Series([agrees(one) for one in known], others.index, dtype=bool)]


def _repeats(runs: pd.DataFrame) -> list[str]:
    """Runs that measured the same, and whether they agree."""
    repeated = len(runs) - len(runs.drop_duplicates(MEASUREMENT))
    if not repeated:
        return []
    notes = [
        f"{_count(repeated, 'run')} repeat{'s' * (repeated == 1)} a measurement (same weights, "
        "images, window and scheme) and count once"
    ]
    spread = runs.groupby(MEASUREMENT, dropna=False)["average_test_accuracy"].agg(["min", "max"])
    if (spread["max"] - spread["min"] > 1e-9).any():
        notes.append("runs that should have measured the same differ: the first one counts")
    return notes


def _mixed(runs: pd.DataFrame) -> Iterable[str]:
    """What differs between the runs beside the axes."""
    for column, what in (("commit", "commits of this project"), ("torch", "versions of torch")):
        values = runs[column].dropna().unique()
        if len(values) > 1:
            yield f"the runs are of {len(values)} {what}: {', '.join(map(str, values))}"
    unclean = runs["commit"].dropna().astype(str).str.endswith("-dirty").sum()
    if unclean:
        yield f"{_count(int(unclean), 'run')} ran with code that differs from its commit (-dirty)"
