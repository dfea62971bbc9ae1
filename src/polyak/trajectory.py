"""One training: its checkpoints, its records, and what each checkpoint says of the images.

    trajectory = Trajectory(store, recipe.ingredients(dataset, epochs=20))
    for record in trajectory.train(recipe, dataset, epochs=20, device=device, keys=keys):
        print(record.training.epoch, record.scores["test"].accuracy)

A trajectory's directory is named by its fingerprint, so runs that differ only in averaging or
evaluation have the same one:

    trajectory.json                       what decides the weights, where it ran, its epochs
    checkpoints/epoch_000.safetensors     weights after each epoch
    evaluations/<key>/epoch_000.safetensors    float32 logits [N, classes], by evaluation key
"""

import logging
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn
from torch.optim import Optimizer

from polyak import checkpoint, environment, evaluation, files, training
from polyak.data.dataset import Dataset
from polyak.errors import DivergedError
from polyak.evaluation import Scores
from polyak.fingerprint import code_digest, fingerprint
from polyak.training import Schedule

log = logging.getLogger(__name__)

FORMAT = 1
"""Of the directory. Raise it when files written before can no longer be read."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a training's weights, apart from the images.

    `described` says in JSON values what the three factories make.
    """

    model: Callable[[], nn.Module]
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    schedule: Schedule
    batch_size: int
    precision: str
    compiled: bool
    seed: int
    described: Mapping[str, Any]

    def ingredients(self, dataset: Dataset, epochs: int) -> dict[str, Any]:
        """What goes into the fingerprint. `epochs` does so only where the schedule needs it."""
        model = training.initial_model(self.model, self.seed)
        optimizer = self.optimizer(model.parameters())
        code = [type(part).__module__ for part in (model, optimizer, self.schedule)]
        return {
            "training_split": dataset.train.digest(),
            **self.described,
            "planned_epochs": epochs if self.schedule.depends_on_epochs else None,
            "batch_size": self.batch_size,
            "precision": self.precision,
            "compiled": self.compiled,
            "seed": self.seed,
            "code": code_digest([training.__name__, *code]),
        }


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: how its training went, and the checkpoint's scores by split."""

    training: training.EpochResult
    scores: Mapping[str, Scores]


class Trajectory:
    """The directory of one training, below `store`."""

    def __init__(self, store: Path, ingredients: Mapping[str, Any]) -> None:
        self.ingredients = dict(ingredients)
        self.fingerprint = fingerprint(ingredients)
        self.directory = store / self.fingerprint

    def checkpoint(self, epoch: int) -> Path:
        """The file of the weights after zero-based `epoch`."""
        return self.directory / "checkpoints" / f"epoch_{epoch:03d}.safetensors"

    def logits(self, key: str, epoch: int) -> Path:
        """The file of what that checkpoint says of the split with that evaluation key."""
        return self.directory / "evaluations" / key / f"epoch_{epoch:03d}.safetensors"

    def train(
        self,
        recipe: Recipe,
        dataset: Dataset,
        *,
        epochs: int,
        device: torch.device,
        keys: Mapping[str, str],
        on_step: Callable[[], object] = lambda: None,
    ) -> Iterator[EpochRecord]:
        """Train from the first epoch on, replacing what was there, and yield each epoch's record
        when its files are on disk.

        `keys` gives the evaluation key of each split to evaluate. Other processes that want to
        train the same trajectory wait; the files are safe from them only as links elsewhere.
        Raises DivergedError as `training.train_epoch` does, and for a loss on a split that is not
        finite.
        """
        with self._locked():
            # Runs keep their hard links to the files that are removed here.
            if self.directory.exists():
                log.info("trajectory %s is in the store; it is trained anew", self.fingerprint)
                shutil.rmtree(self.directory)
            model = training.initial_model(recipe.model, recipe.seed).to(device)
            pixels = {name: split.images.to(device) for name, split in dataset.evaluated.items()}
            header = {
                "format": FORMAT,
                "fingerprint": self.fingerprint,
                "ingredients": self.ingredients,
                "environment": environment.describe(device, recipe.precision),
            }
            entries: list[dict[str, Any]] = []
            for result in training.train(
                model,
                recipe.optimizer(model.parameters()),
                recipe.schedule,
                dataset.train.images.to(device),
                dataset.train.labels.to(device),
                epochs=epochs,
                seed=recipe.seed,
                batch_size=recipe.batch_size,
                precision=recipe.precision,
                compiled=recipe.compiled,
                on_step=on_step,
            ):
                weights = model.state_dict()
                checkpoint.save(self.checkpoint(result.epoch), weights, {"epoch": result.epoch})
                scores = {}
                for name, images in pixels.items():
                    answers = evaluation.logits(model, images, precision=recipe.precision)
                    checkpoint.save(self.logits(keys[name], result.epoch), {"logits": answers})
                    scores[name] = evaluation.scores(answers, dataset.evaluated[name].labels)
                    _check_finite(name, scores[name], result)
                entries.append({**asdict(result), "weights_sha256": checkpoint.digest(weights)})
                files.write_json(self.directory / "trajectory.json", {**header, "epochs": entries})
                yield EpochRecord(result, scores)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.directory.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("waiting for another run, which trains trajectory %s", self.fingerprint)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def _check_finite(split: str, scores: Scores, result: training.EpochResult) -> None:
    if not math.isfinite(scores.loss):
        raise DivergedError(
            f"training diverged: the {split} loss is {scores.loss} after epoch {result.epoch} "
            f"at lr {result.lr:g}; try a smaller optimizer.lr",
            epoch=result.epoch,
        )
