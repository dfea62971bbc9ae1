"""What a recorded training was made with, as a configuration: for summary.json, and the analysis.

    configured(settings, manifest, averaging)["optimizer"]["lr"]
    data(settings, manifest, answers)

Settings that the analysis knows have their places: `lr`, `seed`, `model`, `optimizer`, `schedule`,
`batch_size`, `dataset`, `train_images`, `synthetic`; all others are under `settings`, and tell
recipes apart.
"""

from collections.abc import Mapping
from typing import Any

from polyak import files
from polyak.errors import ConfigError
from polyak.records.summary import OF_RECORDING, Data
from polyak.store.manifest import Manifest
from polyak.study.answers import Answers

PARTS = ("model", "optimizer", "schedule")
PLACED = ("lr", "seed", *PARTS, "batch_size", "dataset", "train_images", "synthetic")
"""The settings that have places of their own."""


def settings_of(manifest: Manifest, more: Mapping[str, Any] | None) -> dict[str, Any]:
    """The recording's settings, with `more` where it lacks them. Raises ConfigError for one that it
    has otherwise, and where there is no learning rate or seed."""
    found = dict(manifest.values["ingredients"]["settings"])
    for key, value in (more or {}).items():
        if found.setdefault(key, value) != value:
            raise ConfigError(
                f"settings: {key} = {files.shown(value)}, and the recording has "
                f"{files.shown(found[key])}; allowed: what it lacks"
            )
    rate = found.setdefault("lr", manifest.values["epochs"][0]["lr"])
    if type(rate) not in (int, float) or not rate > 0:
        raise ConfigError(f"settings: lr = {files.shown(rate)}{_add('lr', '0.1')}")
    if type(found.get("seed")) is not int:
        raise ConfigError(f"settings: seed = {files.shown(found.get('seed'))}{_add('seed', '0')}")
    return found


def configured(
    settings: Mapping[str, Any], manifest: Manifest, averaging: Mapping[str, Any]
) -> dict[str, Any]:
    """As a run of train.py has it; `averaging` is that group."""
    model = manifest.values["ingredients"]["model"]
    parts = {part: _named(settings.get(part)) for part in PARTS}
    if "model" not in settings and model.get("class"):
        parts["model"] = {"_target_": model["class"]}
    return {
        "dataset": {"name": dataset(settings, manifest)},
        **parts,
        "model": {**parts["model"], "layout_sha256": model["layout_sha256"]},
        "optimizer": {**parts["optimizer"], "lr": float(settings["lr"])},
        "averaging": dict(averaging),
        "training": {"epochs": manifest.trained, "batch_size": settings.get("batch_size")},
        "seed": settings["seed"],
        "settings": {key: one for key, one in settings.items() if key not in PLACED},
    }


def dataset(settings: Mapping[str, Any], manifest: Manifest) -> str:
    """What a person calls it: by default as the folder that the recording is in."""
    given = settings.get("dataset")
    return str(given if given is not None else manifest.directory.parent.name)[:300]


def data(settings: Mapping[str, Any], manifest: Manifest, found: Answers) -> Data:
    """What is known of it."""
    count = settings.get("train_images")
    sizes = {"train": count} if type(count) is int and count > 0 else {}
    classes = {logits.shape[1] for logits in found.values()}
    return Data(
        name=dataset(settings, manifest),
        origin=OF_RECORDING,
        synthetic=settings.get("synthetic") is True,
        substitute_for=None,
        classes=max(classes, default=None),
        input_shape=[],
        sizes=sizes | {split: len(labels) for split, labels in found.labels.items()},
    )


def _named(given: Any) -> dict[str, Any]:
    """A part of the recipe: by its name, or as a mapping of its parameters."""
    if isinstance(given, Mapping):
        return {str(key): one for key, one in given.items() if key != "lr"}
    return {"name": "unknown" if given is None else str(given)}


def _add(key: str, example: str) -> str:
    return (
        f": the analysis compares trainings by it; allowed: a number among the recorder's "
        f"settings, or settings={{{key!r}: {example}}} here"
    )
