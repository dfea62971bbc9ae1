"""From a checked configuration to objects.

job = build(config, in_sweep=False, threads=None)
job.trajectory, job.data, job.evaluator()
"""

import functools
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from polyak.config import choices
from polyak.config.schema import Config
from polyak.data.dataset import Dataset, split
from polyak.errors import ConfigError, PolyakError
from polyak.evaluation.evaluator import Evaluator
from polyak.evaluation.key import evaluation_key
from polyak.models.initial import initial_model
from polyak.store import environment
from polyak.store.trajectory import Trajectory
from polyak.training.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """What a configuration describes. `keys` are the evaluation keys of the evaluated splits."""

    config: Config
    device: torch.device
    data: Dataset
    recipe: Recipe
    trajectory: Trajectory
    keys: Mapping[str, str]

    @property
    def title(self) -> str:
        """For figures: data, sizes, model, learning rate, window."""
        config, data, window = self.config, self.data, self.config.window
        model, optimizer = (
            self.recipe.described[part]["_target_"].rpartition(".")[2]
            for part in ("model", "optimizer")
        )
        lr = self.recipe.described["optimizer"]["lr"]
        return (
            f"{data.title}, {len(data.train):,} training / {len(data.test):,} test images\n"
            f"{model}, {optimizer} lr {lr:g}, seed {config.seed}, "
            f"{config.scheme.description} average of epochs {window[0]}..{window[-1]}"
        )

    def evaluator(self, splits: Collection[str] | None = None) -> Evaluator:
        """The model on the images, for any weights; by default on all evaluated splits.

        Raises PolyakError for a split that the data doesn't have.
        """
        there = self.data.splits
        wanted = list(self.data.evaluated) if splits is None else list(splits)
        for name in wanted:
            if name not in there:
                raise PolyakError(f"{name}: no such split; allowed: {', '.join(there)}")
        model = initial_model(self.recipe.model, self.recipe.seed)
        chosen = {name: there[name] for name in wanted}
        return Evaluator(model, chosen, self.device, self.recipe.precision)


def build(config: Config, *, in_sweep: bool, threads: int | None = None) -> Job:
    """Set threads and device, load and split the data, and make the recipe's factories.

    `threads` is used where the configuration leaves them open. Raises DataError or ConfigError.
    """
    wanted = config.training
    device = environment.prepare(wanted.device, wanted.threads or threads, wanted.precision)
    data = dataset(config, in_sweep=in_sweep)
    made = recipe(config, data)
    return Job(
        config=config,
        device=device,
        data=data,
        recipe=made,
        trajectory=Trajectory(Path(config.paths.trajectories), made, data),
        keys={
            name: evaluation_key(split, made.precision) for name, split in data.evaluated.items()
        },
    )


def dataset(config: Config, *, in_sweep: bool) -> Dataset:
    """Load and split the data. In a sweep nothing is substituted for data that can't be had.

    Raises DataError or ConfigError where there are none, or too few for one batch.
    """
    arguments = config.resolved["dataset"]
    validation = arguments.pop("validation")
    if in_sweep and "substitute" in arguments:
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
    return split(choices.make(json.loads(arguments)), validation)


def recipe(config: Config, data: Dataset) -> Recipe:
    """Factories of model, optimizer and schedule, fitted to the data.

    Raises ConfigError where the model can't take the images, or the optimizer its parameters.
    """
    values, seen = config.resolved, {"input_shape": list(data.input_shape), "classes": data.classes}
    described = {**values["model"], **seen}
    schedule = choices.make(values["schedule"])
    made = Recipe(
        model=choices.make(described, partial=True),
        optimizer=choices.make(values["optimizer"], partial=True),
        schedule=schedule,
        planned_epochs=config.training.epochs if schedule.depends_on_epochs else None,
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
    model = _checked_model(made, data)
    try:
        made.optimizer(model.parameters())
    except (ValueError, TypeError) as error:
        raise ConfigError(f"optimizer.{error}") from error
    return made


def _checked_model(made: Recipe, data: Dataset) -> torch.nn.Module:
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
            f"model {target}: gives {outputs[1:]} outputs per image; "
            f"allowed: {data.classes}, the classes of {data.name}"
        )
    return model
