"""From a checked configuration to objects: the only caller of Hydra's instantiate.

`polyak.config` has refused every `_target_` that no config group needs before anything gets here.
"""

import functools
import json
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate

from polyak.averaging import Scheme
from polyak.config.schema import Config, resolved
from polyak.data.dataset import Dataset, split
from polyak.errors import ConfigError
from polyak.store.trajectory import Trajectory
from polyak.training.epoch import initial_model
from polyak.training.recipe import Recipe


def dataset(config: Config, *, sweep: bool) -> Dataset:
    """Load and split the data. In a sweep nothing is substituted for data that can't be had.

    Raises DataError or ConfigError where there are none, or too few for one batch.
    """
    arguments = resolved(config)["dataset"]
    validation = arguments.pop("validation")
    if sweep and "substitute" in arguments:
        arguments["substitute"] = False
    data = _load(json.dumps(arguments), validation)
    if len(data.train) < config.training.batch_size:
        raise ConfigError(
            f"training.batch_size = {config.training.batch_size}: "
            f"allowed: at most the {len(data.train)} training images"
        )
    return data


@functools.lru_cache(maxsize=1)
def _load(arguments: str, validation: float) -> Dataset:
    """Kept for a sweep's next run. `arguments` as JSON, which can be a cache's key."""
    return split(_partial(json.loads(arguments))(), validation)


def recipe(config: Config, data: Dataset) -> Recipe:
    """Factories of model, optimizer and schedule, fitted to the data.

    Raises ConfigError where the model can't take the images, or its outputs are not the classes.
    """
    values = resolved(config)
    model = values["model"]
    wanted = {"input_shape": list(data.input_shape), "classes": model["classes"] or data.classes}
    described = {**model, **wanted}
    made = Recipe(
        model=_partial(described),
        optimizer=_partial(values["optimizer"]),
        schedule=instantiate(values["schedule"]),
        batch_size=config.training.batch_size,
        precision=config.training.precision,
        compiled=config.training.compile,
        seed=config.seed,
        described={
            "model": described,
            "optimizer": values["optimizer"],
            "schedule": values["schedule"],
        },
    )
    _check_model(made, data)
    return made


def scheme(config: Config) -> Scheme:
    """The averaging scheme."""
    made: Scheme = instantiate(resolved(config)["averaging"]["scheme"])
    return made


def trajectory(config: Config, made: Recipe, data: Dataset) -> Trajectory:
    """The trajectory that the recipe gives on the data, in the configured store."""
    ingredients = made.ingredients(data, config.training.epochs)
    return Trajectory(Path(config.paths.trajectories), ingredients)


def _partial(values: dict[str, Any]) -> Any:
    """The target, still to be called: Hydra would wrap what it raises out of sight."""
    return instantiate(values, _partial_=True, _convert_="all")


def _check_model(made: Recipe, data: Dataset) -> None:
    target, shape = made.described["model"]["_target_"], list(data.input_shape)
    try:
        model = initial_model(made.model, made.seed).eval()
        with torch.inference_mode():
            outputs = list(model(torch.zeros(2, *shape)).shape)
    except (RuntimeError, ValueError, ZeroDivisionError) as error:
        raise ConfigError(
            f"model {target}: can't take images of {shape} (C, H, W): {error}"
        ) from error
    if outputs != [2, data.classes]:
        raise ConfigError(
            f"model {target}: gives {outputs[1:]} outputs an image; "
            f"allowed: {data.classes}, the classes of {data.name} (model.classes=null)"
        )
