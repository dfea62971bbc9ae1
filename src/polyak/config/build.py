"""From a checked configuration to objects.

job = build(config, in_sweep=False, threads=None)
job.trajectory, job.data, job.evaluator()
"""

import functools
import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from polyak.averaging.schemes.ema import Ema
from polyak.config import choices
from polyak.config.recipe import INPUTS, check_optimizer, recipe, tried
from polyak.config.schema import Config
from polyak.data.dataset import Dataset
from polyak.data.splitting import split
from polyak.errors import ConfigError, PolyakError
from polyak.evaluation.evaluator import Evaluator
from polyak.evaluation.key import evaluation_key
from polyak.evaluation.logits import Inference
from polyak.naming import epochs_of, name_of
from polyak.runs.batch_norm import BatchNorm
from polyak.runs.recorded import RecordedWindow
from polyak.store import environment
from polyak.store.trajectory import Trajectory
from polyak.training.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a configuration describes. `keys` are the evaluation keys of the evaluated splits;
    `model` is given whatever weights are evaluated; `recorded` is what is averaged, where that
    isn't epochs' checkpoints."""

    config: Config
    device: torch.device
    data: Dataset
    recipe: Recipe
    model: nn.Module
    batch_norm: BatchNorm
    trajectory: Trajectory
    keys: Mapping[str, str]
    recorded: RecordedWindow | None

    @property
    def title(self) -> str:
        """For figures: data, sizes, model, learning rate, window."""
        config, data, window = self.config, self.data, self.config.window
        model, optimizer = (name_of(self.recipe.described[part]) for part in ("model", "optimizer"))
        lr = self.recipe.described["optimizer"]["lr"]
        return (
            f"{data.title}, {len(data.train):,} training / {len(data.test):,} test images\n"
            f"{model}, {optimizer} lr {lr:g}, seed {config.seed}, "
            f"average of {epochs_of(window, config.averaging.start)} ({self.method})"
        )

    @property
    def method(self) -> str:
        """How its checkpoints are averaged, in words."""
        return self.config.method(self.batch_norm.there)

    def evaluator(self, splits: Collection[str] | None = None) -> Evaluator:
        """The model on the images, for any weights; by default on all evaluated splits.

        Raises PolyakError for a split that the data doesn't have.
        """
        there = self.data.splits
        wanted = list(self.data.evaluated) if splits is None else list(splits)
        for name in wanted:
            if name not in there:
                raise PolyakError(f"{name}: no such split; allowed: {', '.join(there)}")
        chosen = {name: there[name] for name in wanted}
        how = Inference(self.recipe.precision, self.recipe.scaling)
        return Evaluator(self.model, chosen, self.device, how)


def build(config: Config, *, in_sweep: bool, threads: int | None = None) -> Job:
    """Set threads and device, load and split the data, and make the recipe's factories.

    `threads` is used where the configuration leaves them open. Raises DataError or ConfigError.
    """
    wanted = config.training
    device = environment.prepare(wanted.device, wanted.threads or threads, wanted.precision)
    data = dataset(config, in_sweep=in_sweep)
    made = recipe(config, data)
    how = Inference(made.precision, made.scaling)
    model = tried(made, data)
    trajectory = Trajectory(Path(config.paths.trajectories), made, data, model)
    if not trajectory.there:  # else it was checked, before there was a first epoch
        check_optimizer(made, model)
    statistics = batch_norm(config, made, data, device, model)
    return Job(
        config=config,
        device=device,
        data=data,
        recipe=made,
        model=model,
        batch_norm=statistics,
        trajectory=trajectory,
        keys={name: evaluation_key(split, how) for name, split in data.evaluated.items()},
        recorded=recorded(config, made.steps(len(data.train))) if config.of_recording else None,
    )


def recorded(config: Config, steps: int) -> RecordedWindow:
    """What is averaged of a recording, of epochs of `steps` steps. Raises ConfigError where the
    window begins inside an interval, or the scheme does not fit it."""
    averaging, scheme, means = config.averaging, config.scheme, config.averaging.of == "steps"
    found = RecordedWindow.of(
        config.recorded, averaging.start, config.window.stop, steps, means=means
    )
    try:
        found.check(scheme)
    except ConfigError as error:
        raise ConfigError(f"averaging.scheme.{error}") from None
    if isinstance(scheme, Ema):
        _say_how_close(scheme, max(found.intervals.lengths))
    return found


def _say_how_close(ema: Ema, longest: int) -> None:
    if longest > 1:
        log.info(
            "this EMA is made of means over up to %d steps: from one that is updated after every "
            "step it differs by at most %.2g %% of how far the weights are from such a mean during "
            "its steps; a smaller recording.every brings it closer",
            *(longest, 100 * ema.deviation(longest)),
        )


def batch_norm(
    config: Config, recipe: Recipe, data: Dataset, device: torch.device, model: nn.Module
) -> BatchNorm:
    """What computes the statistics of averages. Raises ConfigError where it couldn't."""
    averaging, images = config.averaging, data.train.images
    if (averaging.refresh.images or 0) > len(images):
        raise ConfigError(
            f"averaging.refresh.images = {averaging.refresh.images}: allowed: at most the "
            f"{len(images)} training images"
        )
    made = BatchNorm(
        model,
        recipe,
        images,
        device,
        mode=averaging.batch_norm,
        count=averaging.refresh.images,
        batch_size=averaging.refresh.batch_size,
        augment=averaging.refresh.augment,
    )
    made.check()
    return made


def dataset(config: Config, *, in_sweep: bool) -> Dataset:
    """Load and split the data. In a sweep nothing is substituted for data that can't be had.

    Raises DataError or ConfigError where there are none, or too few for one batch.
    """
    values = config.resolved["dataset"]
    if in_sweep and "substitute" in values:
        values["substitute"] = False
    data = _load(json.dumps({key: value for key, value in values.items() if key not in INPUTS}))
    if len(data.train) < config.training.batch_size:
        raise ConfigError(
            f"training.batch_size = {config.training.batch_size}: "
            f"allowed: at most the {len(data.train)} training images"
        )
    return data


@functools.lru_cache(maxsize=1)
def _load(values: str) -> Dataset:
    """Kept for a sweep's next run. `values` as JSON, which can be a cache's key."""
    found = json.loads(values)
    return split(choices.make("dataset", found), found["validation"], found["split_seed"])
