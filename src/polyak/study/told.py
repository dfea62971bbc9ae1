"""What somebody's loop says of itself, checked: settings, metrics, what to record. JSON values.

settings({"lr": 0.1, "seed": 0})
metrics({"validation": {"accuracy": 0.81}})
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, SupportsFloat

from torch.optim import Optimizer

from polyak import files
from polyak.errors import ConfigError
from polyak.records.part import METRIC_NAME
from polyak.store.recording import Recording

Scores = Mapping[str, SupportsFloat]
"""Numbers, or tensors of one, by the metric's name: lower-case letters, digits and underscores."""

SPLITS = ("train", "validation", "test")
MOST = 1_000_000
"""Characters of settings, as JSON."""


def settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the settings of a training. Raises ConfigError for what JSON can't hold."""
    try:
        text = json.dumps(dict(given), allow_nan=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"settings: {files.shown(str(error), 200)}; allowed: texts, finite numbers, true, "
            "false, null, and lists and mappings of these"
        ) from error
    found = json.loads(text)
    if any(type(key) is not str for key in given) or len(text) > MOST:
        raise ConfigError(f"settings: allowed: texts as keys, at most {MOST:,} characters in all")
    return dict(found)


def recording(every: int | float | None, means: bool, steps: int | None) -> Recording:
    """What is recorded within epochs of so many steps. Raises ConfigError for what can't be."""
    whole = isinstance(every, int) and not isinstance(every, bool) and every > 0
    share = isinstance(every, float) and 0 < every <= 1
    if every is not None and not (whole or share):
        raise ConfigError(
            f"every = {every!r}: allowed: a whole number of steps from 1, or a fraction of an "
            "epoch above 0 and up to 1.0"
        )
    found = Recording(every, means)
    if found.there and (type(steps) is not int or steps < 1):
        raise ConfigError(
            f"steps_per_epoch = {steps!r}: allowed with every or means: how many steps of the "
            "optimizer an epoch has, len(loader) where each batch is a step"
        )
    return found


def lr(
    given: float | None, optimizer: Optimizer | None, settings: Mapping[str, Any]
) -> float | None:
    """The learning rate of an epoch: as given, else the optimizer's, else that of the settings."""
    if given is None and optimizer is not None:
        given = float(optimizer.param_groups[0]["lr"])
    found = settings.get("lr") if given is None else given
    return float(found) if isinstance(found, int | float) else None


def metrics(given: Mapping[str, Scores]) -> dict[str, dict[str, float | None]]:
    """A copy, with None for what isn't finite. Raises ConfigError for other splits, names or
    values."""
    if not isinstance(given, Mapping) or not all(
        isinstance(one, Mapping) for one in given.values()
    ):
        raise ConfigError(
            f"metrics = {files.shown(given)}: allowed: by split and name, "
            '{"validation": {"accuracy": 0.81}}'
        )
    found: dict[str, dict[str, float | None]] = {}
    for split, scores in given.items():
        if split not in SPLITS:
            raise ConfigError(f"split {files.shown(split)}: allowed: {', '.join(SPLITS)}")
        found[split] = {name: _number(split, name, value) for name, value in scores.items()}
    return found


def _number(split: str, name: str, value: SupportsFloat) -> float | None:
    if not isinstance(name, str) or not re.fullmatch(METRIC_NAME, name):
        raise ConfigError(
            f"metric {files.shown(name)} of {split}: allowed: lower-case letters, digits and "
            "underscores, at most 40"
        )
    try:
        found = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"metric {name} of {split} = {files.shown(value)}: allowed: a number, or a tensor of "
            "one"
        ) from error
    return found if math.isfinite(found) else None
