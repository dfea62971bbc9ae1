"""From a checked configuration to a recipe, and to a model that is known to fit the data.

made = recipe(config, data)
model = tried(made, data)
"""

import os
from collections.abc import Callable
from pathlib import Path

import torch

from polyak.config import choices
from polyak.config.schema import Config
from polyak.data.dataset import Dataset
from polyak.data.inputs import Scaling
from polyak.errors import ConfigError
from polyak.models.initial import initial_model
from polyak.models.starting import StartingFrom
from polyak.naming import name_of
from polyak.training.decay import parameters
from polyak.training.recipe import Recipe
from polyak.training.uncompiled import never_compiled

INPUTS = ("mean", "std")
"""Keys of a dataset that are for the model's inputs, and not for what loads it."""


def recipe(config: Config, data: Dataset) -> Recipe:
    """Factories of model, optimizer, schedule and augmentation, fitted to the data, and numbers.

    Raises ConfigError where augmentation or normalisation don't fit, or the model is too large; and
    CheckpointError where the weights to start from can't be.
    """
    values, training = config.resolved, config.training
    seen = {"input_shape": list(data.input_shape), "classes": data.classes}
    described = {
        "model": {**values["model"], **seen},
        **{part: values[part] for part in ("optimizer", "schedule", "augmentation")},
    }
    model = choices.make("model", described["model"], partial=True)
    _check_memory(model, name_of(values["model"]))
    starting = StartingFrom(model, Path(training.init)) if training.init else None
    schedule = config.learning_rates
    optimizer = choices.make("optimizer", values["optimizer"], partial=True)
    if not training.compile and isinstance(optimizer.func, type):
        never_compiled(optimizer.func)
    made = Recipe(
        model=starting or model,
        optimizer=optimizer,
        schedule=schedule,
        planned_epochs=training.epochs if schedule.depends_on_epochs else None,
        batch_size=training.batch_size,
        seed=config.seed,
        described=described,
        augmentation=choices.make("augmentation", values["augmentation"]),
        scaling=_scaling(values["dataset"], data),
        per=values["schedule"]["per"],
        decay=training.decay,
        label_smoothing=training.label_smoothing,
        clip_norm=training.clip_norm,
        drop_last=training.drop_last,
        precision=training.precision,
        compiled=training.compile,
        init=starting.digest if starting else None,
    )
    made.augmentation.check(*data.input_shape[1:])
    return made


def _check_memory(make: Callable[[], torch.nn.Module], name: str) -> None:
    """Raise ConfigError where the machine has less memory than weights and gradients take. Their
    shapes are known without any memory: on torch's meta device."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            size = sum(one.numel() * one.itemsize for one in make().parameters())
    except (RuntimeError, TypeError) as error:
        if "verflow" not in str(error):
            return  # not to be made without values; `tried` makes it with them
        size = 2**63
    if 2 * size > memory:
        least = "at least " * (size == 2**63)
        raise ConfigError(
            f"model {name}: its weights would take {least}{size:,} bytes, and as much for their "
            f"gradients; this machine has {memory:,}; allowed: a smaller model"
        )


def _scaling(values: dict[str, object], data: Dataset) -> Scaling:
    """Raises ConfigError where a list isn't one number per channel."""
    found = {}
    for name in INPUTS:
        value = values[name]
        found[name] = tuple(value) if isinstance(value, list) else (value,)
        if len(found[name]) not in (1, data.input_shape[0]):
            raise ConfigError(
                f"dataset.{name} = {value}: allowed: one number, or a list of "
                f"{data.input_shape[0]}, one per channel of {data.name}"
            )
    return Scaling(**found)


def tried(made: Recipe, data: Dataset) -> torch.nn.Module:
    """A model of the recipe, after a look at what it gives for blank images. A run has this one for
    all that needs a model of any weights; to be trained, one is made anew.

    Raises ConfigError where the model doesn't fit images, classes or batches, and CheckpointError
    where the weights to start from aren't the model's.
    """
    name, shape = name_of(made.described["model"]), list(data.input_shape)
    try:
        model = initial_model(made.model, made.seed)
        modes = [(layer, layer.training) for layer in model.modules()]
        with torch.inference_mode():
            outputs = list(model.eval()(torch.zeros(2, *shape)).shape)
    except (RuntimeError, ValueError, ZeroDivisionError, AssertionError) as error:
        raise ConfigError(
            f"model {name}: can't take images of {shape} (C, H, W): {error}"
        ) from error
    if outputs != [2, data.classes]:
        raise ConfigError(
            f"model {name}: gives {outputs[1:]} outputs per image; "
            f"allowed: {data.classes}, the classes of {data.name}"
        )
    _check_smallest_batch(made, model, data)
    for layer, mode in modes:
        layer.training = mode
    return model


def check_optimizer(made: Recipe, model: torch.nn.Module) -> None:
    """Raise ConfigError where the optimizer can't be made, or weight decay is not its to leave
    out."""
    try:
        optimizer = made.optimizer(parameters(model, made.decay))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"optimizer.{error}") from error
    if made.decay == "weights" and "weight_decay" not in optimizer.defaults:
        raise ConfigError(
            f"training.decay = weights: {type(optimizer).__name__} has no weight decay; "
            "allowed: all"
        )


def _check_smallest_batch(made: Recipe, model: torch.nn.Module, data: Dataset) -> None:
    """An epoch's last batch may be one image alone, of which batch norm can have no statistics."""
    smallest = 1 if made.batch_size == 1 else len(data.train) % made.batch_size
    if smallest != 1 or (made.drop_last and made.batch_size > 1):
        return
    try:
        with torch.no_grad():
            model.train()(torch.zeros(1, *data.input_shape))
    except ValueError as error:
        raise ConfigError(
            f"training.batch_size = {made.batch_size}: the last batch of {len(data.train)} images "
            f"has 1, and the model's batch norm needs more ({error}); allowed: another "
            "batch size, or training.drop_last=true"
        ) from error
