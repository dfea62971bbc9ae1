"""What a run leaves for others to read: metrics.csv, links, the average, its predictions.

metrics = Metrics(directory / "metrics.csv")
metrics.add(record)
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from polyak import files
from polyak.config.schema import Config
from polyak.data.dataset import Dataset
from polyak.evaluation import logits as evaluation
from polyak.evaluation.logits import Scores
from polyak.store.trajectory import EpochRecord, Trajectory
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint

SHORT = {"validation": "val", "test": "test"}
"""Split names as they are in the columns of metrics.csv."""

COLUMNS = [
    *("epoch", "lr", "train_loss", "train_accuracy"),
    *("val_loss", "val_accuracy", "test_loss", "test_accuracy"),
    *("average_count", "average_val_loss", "average_val_accuracy"),
    *("average_test_loss", "average_test_accuracy", "seconds"),
]


class Metrics:
    """metrics.csv: one row an epoch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[int, dict[str, float]] = {}

    def add(self, record: EpochRecord) -> None:
        """Add an epoch's row; on disk at once where it was trained now."""
        trained = record.training
        self._rows[trained.epoch] = {
            "epoch": trained.epoch,
            "lr": trained.lr,
            "train_loss": trained.loss,
            "train_accuracy": trained.accuracy,
            "seconds": trained.seconds,
            **_columns("", record.scores),
        }
        if not record.stored:
            self.write()

    def add_average(self, epoch: int, count: int, scores: Mapping[str, Scores]) -> None:
        """Fill in the average of the `count` checkpoints up to and including `epoch`."""
        self._rows[epoch] |= {"average_count": count, **_columns("average_", scores)}
        self.write()

    def write(self) -> None:
        """Write all rows."""
        with files.atomic(self._path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows.values())


def _columns(prefix: str, scores: Mapping[str, Scores]) -> dict[str, float]:
    return {
        f"{prefix}{SHORT[split]}_{what}": getattr(score, what)
        for split, score in scores.items()
        for what in ("loss", "accuracy")
    }


def checkpoint_file(directory: Path, epoch: int) -> Path:
    """Where a run has the weights after zero-based `epoch`."""
    return files.epoch_file(directory / "checkpoints", epoch)


def link_epoch(
    directory: Path, trajectory: Trajectory, keys: Mapping[str, str], epoch: int
) -> None:
    """Link an epoch's weights and logits from the store into the run directory."""
    files.link(trajectory.checkpoint(epoch), checkpoint_file(directory, epoch))
    for split, key in keys.items():
        answers = trajectory.logits(key, epoch)
        files.link(answers, directory / "predictions" / split / answers.name)


def save_average(
    directory: Path,
    average: Checkpoint,
    answers: Mapping[str, Tensor],
    data: Dataset,
    window: range,
    scheme: str,
) -> None:
    """Write averaged.safetensors, and for each split the average's logits and what logits are
    compared with: labels, and ids in the source."""
    made_of = {"window": [window.start, window.stop], "scheme": scheme}
    checkpoint.save(directory / "averaged.safetensors", average.tensors, made_of)
    for name, split in data.evaluated.items():
        folder = directory / "predictions" / name
        checkpoint.save(folder / "average.safetensors", {"logits": answers[name]}, made_of)
        checkpoint.save(
            folder / "labels.safetensors", {"labels": split.labels, "image_ids": split.ids}
        )


def ensemble_scores(
    directory: Path, data: Dataset, window: range, weights: Sequence[float]
) -> dict[str, Scores]:
    """Scores of the ensemble of the window's checkpoints, from the logits in the run."""
    return {
        name: evaluation.scores(
            evaluation.ensemble(
                [
                    checkpoint.load(
                        files.epoch_file(directory / "predictions" / name, epoch)
                    ).tensors["logits"]
                    for epoch in window
                ],
                weights,
            ),
            split.labels,
        )
        for name, split in data.evaluated.items()
    }


def describe(data: Dataset) -> dict[str, Any]:
    """What the data were, for summary.json."""
    return {
        "name": data.name,
        "origin": data.origin,
        "synthetic": data.synthetic,
        "substitute_for": data.substitute_for,
        "classes": data.classes,
        "input_shape": list(data.input_shape),
        "sizes": {"train": len(data.train)}
        | {name: len(split) for name, split in data.evaluated.items()},
    }


def title(config: Config, data: Dataset, window: range, scheme: str) -> str:
    """A figure's title: data, sizes, model, learning rate, window."""
    model = config.model.target.rpartition(".")[2]
    optimizer = config.optimizer.target.rpartition(".")[2]
    return (
        f"{data.title}, {len(data.train):,} training / {len(data.test):,} test images\n"
        f"{model}, {optimizer} lr {config.optimizer.lr:g}, seed {config.seed}, "
        f"{scheme} average of epochs {window[0]}..{window[-1]}"
    )
