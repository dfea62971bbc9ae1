"""Which runs may be compared: one facet for each data set, model and recipe; never mixed.

    for facet in facets(loaded):
        facet.name      # "" where there is one; else what sets it apart: "schedule=cosine"
        facet.runs      # its finished runs, each measurement once

Within a facet, runs differ in learning rate, seed, window and scheme alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.load import Loaded

MEASUREMENT = ["fingerprint", "test_key", "validation_key", "start", "end", "scheme"]
"""Runs that agree in these measured the same thing."""

_FREE = ("seed", "name", "optimizer.lr", "training.device", "training.threads", "dataset.datasets")
_FREE_GROUPS = ("averaging.", "paths.")
_WHOLE = dict.fromkeys(("seed", "epochs", "start", "end", "count"), int)
"""Configuration keys that may differ within a facet: the axes of a sweep, and where it ran."""


@dataclass(frozen=True)
class Facet:
    """Runs that may be compared. `settings`: what was configured for all of them. `unmeasured`: the
    runs of this facet, as far as can be told, that have no numbers."""

    name: str
    runs: pd.DataFrame
    settings: Mapping[str, Any]
    epochs: pd.DataFrame
    unmeasured: pd.DataFrame
    notes: tuple[str, ...] = field(default=())

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
    def population(self) -> str:
        """How many runs and trainings any figure of it is made from."""
        measured, lacking = len(self.runs), len(self.unmeasured)
        text = f"{_count(measured, 'run')} of {_count(self.trainings, 'training')}"
        return text + (f"; {lacking:,} more without numbers" if lacking else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def facets(loaded: Loaded) -> list[Facet]:
    """The facets of all finished runs, the largest first; none where no run has finished."""
    runs = loaded.runs
    usable = runs[runs["status"] == "finished"]
    if usable.empty:
        return []
    groups: dict[Any, list[Any]] = {}
    settings = {index: _settings(row) for index, row in usable.iterrows()}
    for index, values in settings.items():
        groups.setdefault(tuple(sorted(values.items(), key=lambda item: item[0])), []).append(index)
    names = _names([dict(key) for key in groups])
    found = []
    for (key, members), name in zip(groups.items(), names, strict=True):
        measured = usable.loc[members].drop_duplicates(MEASUREMENT).astype(_WHOLE)
        unmeasured = _unmeasured(runs, dict(key), alone=len(groups) == 1)
        found.append(
            Facet(
                name=name,
                runs=measured,
                settings=dict(key),
                epochs=loaded.epochs[loaded.epochs["run"].isin(usable.loc[members, "run"])],
                unmeasured=unmeasured,
                notes=tuple(_notes(measured, repeated=len(members) - len(measured))),
            )
        )
    return sorted(found, key=lambda facet: -len(facet.runs))


def swept_columns(loaded: Loaded) -> pd.DataFrame:
    """The configuration keys in which the runs differ, one column each, beyond those that have
    columns of their own."""
    if "config" not in loaded.runs:
        return pd.DataFrame(index=loaded.runs.index)
    configs = [value if isinstance(value, dict) else {} for value in loaded.runs["config"]]
    known = [config for config in configs if config]
    keys = [
        key
        for key in dict.fromkeys(key for config in known for key in config)
        if len({str(config.get(key)) for config in known}) > 1
        and key not in ("seed", "name", "optimizer.lr", "averaging.start", "averaging.end")
        and not key.startswith("paths.")
    ]
    return pd.DataFrame(
        {key: [config.get(key) for config in configs] for key in keys}, index=loaded.runs.index
    )


def _settings(row: pd.Series) -> dict[str, Any]:
    """All that must agree: the configuration but for its free keys, and the content of the data."""
    config = {
        key: value
        for key, value in row["config"].items()
        if key not in _FREE and not key.startswith(_FREE_GROUPS)
    }
    content = {
        key: row[key]
        for key in ("dataset", "train_images", "test_images", "test_key", "validation_key")
    }
    return config | {f"content.{key}": _plain(value) for key, value in content.items()}


def _plain(value: Any) -> Any:
    return None if value is None or value != value else value


def _names(settings: list[dict[str, Any]]) -> list[str]:
    """What sets each apart, as short as it can be."""
    if len(settings) == 1:
        return [""]
    keys = dict.fromkeys(key for values in settings for key in values)
    differing = [key for key in keys if len({str(values.get(key)) for values in settings}) > 1]
    # The content follows from the configuration, most of the time: then it needs no name.
    configured = [key for key in differing if not key.startswith("content.")]
    for chosen in ([k for k in configured if k.endswith("_target_")], configured, differing):
        names = [
            ", ".join(f"{key}={_short(values.get(key))}" for key in chosen) for values in settings
        ]
        if len(set(names)) == len(names):
            return names
    return names


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text.rpartition(".")[2] if text.startswith(("polyak.", "torch.")) else text


def _unmeasured(runs: pd.DataFrame, settings: Mapping[str, Any], *, alone: bool) -> pd.DataFrame:
    """Runs without numbers that would be in a facet: all of them where there is one facet, else
    those whose composed configuration agrees as far as it has the same keys resolved."""
    others = runs[runs["status"] != "finished"]
    if alone or others.empty:
        return others
    keys = [key for key in settings if not key.startswith(("content.", "dataset."))]

    def agrees(config: Any) -> bool:
        return isinstance(config, dict) and all(
            key in config and str(config[key]) == str(settings[key]) for key in keys
        )

    if "config" not in others:
        return others.iloc[:0]
    return others[[agrees(config) for config in others["config"]]]


def _notes(measured: pd.DataFrame, repeated: int) -> Iterable[str]:
    if repeated:
        yield (
            f"{_count(repeated, 'run')} repeat a measurement (same weights, images, window and "
            "scheme) and count once"
        )
    trainings = measured.groupby(["learning_rate", "seed"])["fingerprint"].nunique().reset_index()
    for row in trainings[trainings["fingerprint"] > 1].to_dict("records"):
        yield (
            f"seed {row['seed']} at learning rate {row['learning_rate']:g} was trained "
            f"{row['fingerprint']} times, by other code or on other images: these count as so many "
            "trainings, but are not independent seeds"
        )
    for column, what in (("commit", "commits of this project"), ("torch", "versions of torch")):
        values = measured[column].dropna().unique()
        if len(values) > 1:
            yield f"the runs are of {len(values)} {what}: {', '.join(map(str, values))}"
    unclean = measured["commit"].dropna().astype(str).str.endswith("-dirty").sum()
    if unclean:
        yield f"{_count(int(unclean), 'run')} ran with code that differs from its commit (-dirty)"
