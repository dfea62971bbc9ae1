"""What somebody's loop says of itself, checked: settings, metrics, what to record. JSON values.

settings({"lr": 0.1, "seed": 0})
metrics({"validation": {"accuracy": 0.81}})
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, SupportsFloat

from torch import Tensor, nn, strided
from torch.optim import Optimizer

from polyak import files
from polyak.errors import CheckpointError, ConfigError
from polyak.records import reading
from polyak.records.part import METRIC_NAME
from polyak.store.recording import Recording
from polyak.weights.layout import AVERAGED

Scores = Mapping[str, SupportsFloat]
"""Numbers, or tensors of one, by the metric's name: lower-case letters, digits and underscores."""

SPLITS = ("train", "validation", "test")
NOT_A_NUMBER = (TypeError, ValueError, RuntimeError, OverflowError)
"""What float() raises of values that are none, or of integers beyond it."""

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
    try:
        reading.plain({"ingredients": {"settings": found}})  # as it is read back
    except ValueError as error:
        raise ConfigError(
            f"settings: {error}; allowed: integers of 64 bits, at most {reading.DEEPEST - 2} levels"
        ) from error
    if any(type(key) is not str for key in given) or len(text) > MOST:
        raise ConfigError(f"settings: allowed: texts as keys, at most {MOST:,} characters in all")
    return dict(found)


def check_weights(model: nn.Module) -> None:
    """Raise CheckpointError for a model without tensors, or with what has no average: an extra
    state, sparse tensors, tensors without values, other dtypes."""
    state: Mapping[str, Any] = model.state_dict()
    if not state:
        raise CheckpointError(f"{type(model).__name__}: has no tensors; allowed: one or more")
    for name, one in state.items():
        what = type(one).__name__
        if isinstance(one, Tensor):
            numbers = one.dtype in AVERAGED if _has_fractions(one) else not one.is_quantized
            if numbers and one.layout == strided and not one.is_meta:
                continue
            what = f"{one.dtype}, {one.layout}, {one.device}"
        raise CheckpointError(
            f"the model's {files.shown(name)} is {what}; allowed: dense tensors with values, of "
            f"{', '.join(map(str, AVERAGED))}, integers and booleans"
        )


def _has_fractions(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


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
    """The learning rate of an epoch: as given, else the optimizer's, else that of the settings;
    None for one that can't be. Raises ConfigError for one that is given and no number."""
    found: Any = given
    if found is None and optimizer is not None:
        found = optimizer.param_groups[0]["lr"]
    if found is None:
        stated = settings.get("lr")
        found = stated if isinstance(stated, int | float) else None
    try:
        rate = math.nan if found is None else float(found)
    except NOT_A_NUMBER as error:
        raise ConfigError(f"lr = {files.shown(found)}: allowed: a number from 0") from error
    return rate if math.isfinite(rate) and rate >= 0 else None


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
    except NOT_A_NUMBER as error:
        raise ConfigError(
            f"metric {name} of {split} = {files.shown(value)}: allowed: a number, or a tensor of "
            "one"
        ) from error
    return found if math.isfinite(found) else None
