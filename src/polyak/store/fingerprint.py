"""The fingerprint: names a trajectory by all that decides its weights, and by nothing else.

    fingerprint(ingredients(recipe, dataset.train, model))  # "3f8a0c52d71be964"

In: the content of the training split, the recipe and its seed, and the code that applies them. Out:
averaging, evaluation, what is recorded, paths, device and threads, and the number of epochs where
the schedule doesn't depend on it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from torch import nn

from polyak.code import imported_digest
from polyak.data.dataset import Split
from polyak.training import trainer
from polyak.training.decay import parameters
from polyak.training.recipe import Recipe


def ingredients(recipe: Recipe, train: Split, model: nn.Module) -> dict[str, Any]:
    """What is hashed, as JSON values. `model` is one of the recipe's: its weights don't matter."""
    parts = (model, recipe.schedule, recipe.augmentation)
    classes = [_optimizer(recipe, model).__module__, *(type(part).__module__ for part in parts)]
    # A choice may be a function, whose result's class is another library's.
    targets = [part["_target_"] for part in recipe.described.values() if "_target_" in part]
    functions = [target.rpartition(".")[0] for target in targets]
    factories = ("model", "optimizer", "schedule", "augmentation", "described")
    numbers = {key: value for key, value in vars(recipe).items() if key not in factories}
    return {
        "training_split": train.digest(),
        **recipe.described,
        **numbers,
        "scaling": asdict(recipe.scaling),
        "code": imported_digest((trainer.__name__, *classes, *functions)),
    }


def _optimizer(recipe: Recipe, model: nn.Module) -> type:
    """The optimizer's class. None is made where its factory says it, since the first one of a
    process imports torch's compiler, which takes a second."""
    made = recipe.optimizer
    if isinstance(made, partial) and isinstance(made.func, type):
        return made.func
    return type(made(parameters(model, recipe.decay)))


def fingerprint(ingredients: Mapping[str, Any]) -> str:
    """16 hex digits of the SHA-256 of `ingredients` (JSON values), whatever their order."""
    text = json.dumps(ingredients, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
