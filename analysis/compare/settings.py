"""What runs were configured with, and which of it must agree for them to be compared.

settings_of(run)           # of one row of `Loaded.runs`
names_of([run, other])     # ["schedule=cosine", "schedule=constant"]
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.read.load import Loaded
from polyak.evaluation.metric import ACCURACY

CONTENT = (
    *("dataset", "train_images", "validation_images", "test_images"),
    *("training_key", "test_key", "validation_key"),
)
"""What the images were: names, sizes and hashes of the content. Paths don't count."""

SPLIT_SEED = "dataset.split_seed"
_DIVIDED = ("train_images", "validation_images", "training_key", "validation_key")
"""The content that follows from it."""
_SEEN_ELSEWHERE = ("dataset.test", "dataset.datasets", "dataset.files", "dataset.substitute")
"""Keys of the data that need not agree: other content says it, or they are where files lie whose
content is known beforehand."""

_AXES = ("seed", "name", "optimizer.lr")
_FREE = (*_AXES, "training.device", "training.threads")
_FREE_GROUPS = ("averaging.", "recording.", "paths.", "dataset.")
"""Configuration keys that may differ within a group: the axes of a sweep, where it ran, and how the
images were named."""


def settings_of(row: pd.Series) -> dict[str, str]:
    """All that must agree: the configuration but for its free keys, the content of the data, and
    the primary metric where it isn't accuracy. A key that is null and one that isn't there are the
    same. Which images a `split_seed` took for validation need not agree."""
    values = {f"content.{key}": row[key] for key in CONTENT}
    values |= {key: value for key, value in row["config"].items() if not _is_free(key)}
    if (metric := row["metric"]) != ACCURACY:
        values["metric"] = f"{metric.name} ({'higher' if metric.higher else 'lower'} is better)"
    if split_seed(row["config"]) is not None:
        values |= dict.fromkeys(f"content.{key}" for key in _DIVIDED) | _undivided(row)
    return {key: str(value) for key, value in values.items() if _is_there(value)}


def split_seed(config: Mapping[str, Any]) -> Any:
    """What draws a run's validation split: None where all runs have the same."""
    return config.get(SPLIT_SEED)


def _undivided(row: pd.Series) -> dict[str, Any]:
    """What is known of the images that a seed divides, of which no hash is there: how many there
    are, and how the configuration names and divides them, paths by their last part."""
    named = {
        f"content.{key}": value.rpartition("/")[2] if isinstance(value, str) else value
        for key, value in row["config"].items()
        if key.startswith("dataset.") and key not in _SEEN_ELSEWHERE
    }
    together = row["train_images"] + row["validation_images"]
    return named | {"content.images": together, f"content.{SPLIT_SEED}": "given"}


def _is_free(key: str) -> bool:
    return key in _FREE or key.startswith(_FREE_GROUPS)


def _is_there(value: Any) -> bool:
    return value is not None and value is not pd.NA and value == value


def names_of(firsts: list[pd.Series]) -> list[str]:
    """What sets each group apart, by its first run, as short as it can be."""
    if len(firsts) < 2:
        return [""] * len(firsts)
    settings = [
        {
            "dataset": row["dataset"],  # what a person calls it, in place of what loads it
            **{key: value for key, value in row["config"].items() if _names_a_group(key)},
            **({} if split_seed(row["config"]) is None else {SPLIT_SEED: "given"}),
            "metric": row["metric"].name,
            **{key: value for key, value in settings_of(row).items() if key.startswith("content.")},
        }
        for row in firsts
    ]
    keys = dict.fromkeys(key for values in settings for key in values)
    differing = [key for key in keys if len({str(values.get(key)) for values in settings}) > 1]
    # The content follows from the configuration, most of the time: then it needs no name.
    configured = [key for key in differing if not key.startswith("content.")]
    chosen = [key for key in configured if key.endswith("_target_") or key == "dataset"]
    for used in (chosen, configured, differing):
        names = [
            ", ".join(
                f"{key.removesuffix('._target_')}={_short(values[key])}"
                for key in used
                if _is_there(values.get(key))
            )
            for values in settings
        ]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(names, start=1)]


def _names_a_group(key: str) -> bool:
    return key != "dataset._target_" and (not _is_free(key) or key.startswith("dataset."))


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text.rpartition(".")[2] if text.startswith(("polyak.", "torch.")) else text


def shared(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a report shows of a group's configuration: all but the axes, the window and paths."""
    axes = _AXES if split_seed(config) is None else (*_AXES, SPLIT_SEED)
    return {
        key: value
        for key, value in config.items()
        if key not in axes and not key.startswith(("averaging.", "paths."))
    }


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
        and key not in (*_AXES, "averaging.start", "averaging.end")
        and not key.startswith("paths.")
    ]
    return pd.DataFrame(
        {key: [config.get(key) for config in configs] for key in keys}, index=loaded.runs.index
    )
