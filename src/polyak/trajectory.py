"""One training: its checkpoints, its records, and what each checkpoint says of the images.

    trajectory = Trajectory(store / recipe.fingerprint)
    for record in trajectory.train(recipe, dataset, epochs=20, device=device):
        print(record.epoch, record.scores["test"].accuracy)

A trajectory's directory is named by its fingerprint, so runs that differ only in averaging or
evaluation have the same one:

    trajectory.json                       what decides the weights, where it ran, its epochs
    checkpoints/epoch_000.safetensors     weights after each epoch
    evaluations/<key>/epoch_000.safetensors    float32 logits [N, classes], by evaluation key
"""

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor, nn
from torch.optim import Optimizer

from polyak import checkpoint, environment, evaluation, files, training
from polyak.data.dataset import Dataset
from polyak.evaluation import Scores
from polyak.fingerprint import code_digest, fingerprint
from polyak.schedules import Schedule

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
    seed: int
    described: Mapping[str, Any]

    def ingredients(self, dataset: Dataset, epochs: int) -> dict[str, Any]:
        """What goes into the fingerprint. `epochs` does so only where the schedule needs it."""
        model = training.initial_model(self.model, self.seed)
        return {
            "training_split": dataset.train.digest(),
            **self.described,
            "planned_epochs": epochs if self.schedule.depends_on_epochs else None,
            "batch_size": self.batch_size,
            "precision": self.precision,
            "seed": self.seed,
            "code": code_digest(
                [training.__name__, type(model).__module__], classes=[type(self.schedule)]
            ),
        }


@dataclass(frozen=True)
class EpochRecord:
    """One epoch, zero-based: how training went, and the checkpoint's scores by split."""

    epoch: int
    lr: float
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

        `keys` gives the evaluation key of each split to evaluate. Other processes that want the
        same trajectory wait. Raises DivergedError as `training.train_epoch` does.
        """
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.directory.with_suffix(".lock")):
            # Runs keep their hard links to the files that are removed here.
            shutil.rmtree(self.directory, ignore_errors=True)
            model = training.initial_model(recipe.model, recipe.seed).to(device)
            optimizer = recipe.optimizer(model.parameters())
            images, labels = dataset.train.images.to(device), dataset.train.labels.to(device)
            evaluated = {name: split.images.to(device) for name, split in dataset.evaluated.items()}
            header = {
                "format": FORMAT,
                "fingerprint": self.fingerprint,
                "ingredients": self.ingredients,
                "environment": environment.describe(device, recipe.precision),
            }
            entries: list[dict[str, Any]] = []
            for epoch in range(epochs):
                lr = training.set_learning_rate(optimizer, recipe.schedule.factor(epoch, epochs))
                result = training.train_epoch(
                    model,
                    optimizer,
                    images,
                    labels,
                    epoch=epoch,
                    seed=recipe.seed,
                    batch_size=recipe.batch_size,
                    precision=recipe.precision,
                    on_step=on_step,
                )
                weights = model.state_dict()
                checkpoint.save(self.checkpoint(epoch), weights, {"epoch": epoch})
                scores = {}
                for name, pixels in evaluated.items():
                    answers = evaluation.logits(model, pixels, precision=recipe.precision)
                    save_logits(self.logits(keys[name], epoch), answers)
                    scores[name] = evaluation.scores(answers, dataset.evaluated[name].labels)
                entries.append(
                    {
                        "epoch": epoch,
                        "lr": lr,
                        "train_loss": result.loss,
                        "train_accuracy": result.accuracy,
                        "seconds": result.seconds,
                        "weights_sha256": checkpoint.digest(weights),
                    }
                )
                files.write_json(self.directory / "trajectory.json", {**header, "epochs": entries})
                yield EpochRecord(epoch, lr, result, scores)


def save_logits(path: Path, answers: Tensor) -> None:
    """Write float32 logits [N, classes], read-only."""
    checkpoint.save(path, {"logits": answers})


def load_logits(path: Path) -> Tensor:
    """Read what `save_logits` wrote; CheckpointError where it can't be."""
    return checkpoint.load(path).tensors["logits"]
