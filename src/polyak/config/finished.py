"""A finished run, opened again: its configuration, data, model and checkpoints.

run = FinishedRun(Path("outputs/runs/NAME"))
run.judge().answers(checkpoint.load(run.checkpoint(3)).tensors)
"""

import json
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from polyak import files
from polyak.config import build
from polyak.config import schema as configuration
from polyak.config.schema import Config
from polyak.data.dataset import Dataset
from polyak.errors import PolyakError
from polyak.evaluation.logits import Evaluator, evaluation_key
from polyak.store import environment
from polyak.training import epoch as training
from polyak.training.recipe import Recipe


class FinishedRun:
    """The directory of a run that has a summary.json. Raises PolyakError where it has none."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        path = directory / "summary.json"
        try:
            self.summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            self.config: Config = configuration.parse(self.summary["config"], caller=Path.cwd())
        except FileNotFoundError:
            raise PolyakError(f"{directory}: not a finished run, it has no summary.json") from None
        except (ValueError, KeyError, TypeError) as error:
            raise PolyakError(f"{path}: can't be read ({error})") from error

    @property
    def epochs(self) -> int:
        """How many epochs it trained."""
        return self.config.training.epochs

    @cached_property
    def device(self) -> torch.device:
        """The device of its configuration, with its number of threads set."""
        wanted = self.config.training
        threads = wanted.threads or self.summary["environment"]["threads"]
        return environment.prepare(wanted.device, threads, wanted.precision)

    @cached_property
    def data(self) -> Dataset:
        """The images. Raises PolyakError where they are not those it was evaluated on."""
        data = build.dataset(self.config, sweep=True)
        for name, split in data.evaluated.items():
            key = evaluation_key(split, self.config.training.precision)
            if key != self.summary["evaluation_keys"].get(name):
                raise PolyakError(f"{self.directory}: the {name} images have changed since it ran")
        return data

    @cached_property
    def recipe(self) -> Recipe:
        """What made its model."""
        return build.recipe(self.config, self.data)

    def checkpoint(self, epoch: int) -> Path:
        """The file of the weights after zero-based `epoch`."""
        return files.epoch_file(self.directory / "checkpoints", epoch)

    def judge(self, splits: Collection[str] | None = None) -> Evaluator:
        """Its model on its images, for any weights; by default on all evaluated splits.

        Raises PolyakError for a split that it doesn't have.
        """
        there = self.data.evaluated
        for name in splits or ():
            if name not in there:
                raise PolyakError(
                    f"{self.directory}: has no {name} split; allowed: {', '.join(there)}"
                )
        wanted = {name: split for name, split in there.items() if not splits or name in splits}
        model = training.initial_model(self.recipe.model, self.recipe.seed)
        return Evaluator(model, wanted, self.device, self.recipe.precision)
