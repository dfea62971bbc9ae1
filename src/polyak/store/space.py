"""The disk that a training will take, known before it begins.

check(store, needed(recipe, model, dataset, epochs=20, records=200, splits=["test"]))
"""

import logging
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polyak.data.dataset import Dataset
from polyak.errors import StoreError
from polyak.training.decay import parameters
from polyak.training.recipe import Recipe
from polyak.training.trainer import set_mode

log = logging.getLogger(__name__)

SPARE = 2**24
"""Bytes that a run takes beside its trajectory: figures, the average, tables, file headers."""


def needed(
    recipe: Recipe,
    model: nn.Module,
    dataset: Dataset,
    *,
    epochs: int,
    records: int,
    splits: Collection[str],
) -> dict[str, int]:
    """Bytes by what takes them: `epochs` with their logits on `splits`, `records` between them, the
    optimizer's state (twice: the new one is there before the old one goes). `model` is one of the
    recipe's, whose weights are changed."""
    weights = _bytes(model.state_dict())
    images = sum(len(dataset.evaluated[split]) for split in splits)
    return {
        "checkpoints": epochs * weights,
        "checkpoints and means within epochs": records * weights,
        "the optimizer's state": 2 * _state(recipe, model),
        "logits": epochs * images * dataset.classes * 4,
    }


def check(store: Path, sizes: Mapping[str, int]) -> None:
    """Log what will be written into `store`. Raises StoreError where less is free."""
    total, free = sum(sizes.values()), shutil.disk_usage(store).free
    parts = ", ".join(f"{name} {readable(size)}" for name, size in sizes.items() if size)
    log.info("to be written: %s (%s); %s are free", readable(total), parts, readable(free))
    if total + SPARE > free:
        raise StoreError(
            f"{store}: {readable(total)} are to be written ({parts}), and {readable(free)} are "
            "free; allowed: a larger recording.every, recording.keep=epochs, recording=epochs, or "
            "another paths.trajectories"
        )


def readable(size: int) -> str:
    """ "3.4 GB", "17 MB", "12 kB"."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size / 1000:.0f} kB"


def _state(recipe: Recipe, model: nn.Module) -> int:
    """Bytes of the optimizer's state, from a step that changes this model alone."""
    optimizer = recipe.optimizer(parameters(model, recipe.decay))
    set_mode(optimizer, "train")
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    model.zero_grad(set_to_none=True)
    return _bytes(optimizer.state_dict())


def _bytes(values: Any) -> int:
    """Of all tensors in nested containers."""
    if isinstance(values, Tensor):
        return values.numel() * values.element_size()
    if isinstance(values, Mapping):
        return sum(map(_bytes, values.values()))
    return sum(map(_bytes, values)) if isinstance(values, list | tuple) else 0
