"""What a run leaves for others to read: metrics.csv, links, the average, its predictions.

write_metrics(run / "metrics.csv", records)
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polyak import files
from polyak.data.dataset import Dataset
from polyak.evaluation.scores import Scores
from polyak.runs.summary import Data
from polyak.store import paths
from polyak.store.trajectory import Trajectory
from polyak.store.work import EpochRecord
from polyak.weights import checkpoint

SHORT = {"validation": "val", "test": "test"}
"""Split names as they are in the columns of metrics.csv."""

COLUMNS = [
    *("epoch", "lr", "train_loss", "train_accuracy"),
    *("val_loss", "val_accuracy", "test_loss", "test_accuracy"),
    *("average_count", "average_val_loss", "average_val_accuracy"),
    *("average_test_loss", "average_test_accuracy", "seconds"),
]


@dataclass(frozen=True)
class AverageUpTo:
    """The average of the `count` checkpoints up to and including zero-based `epoch`."""

    epoch: int
    count: int
    scores: Mapping[str, Scores]


def write_metrics(
    path: Path, records: Sequence[EpochRecord], averages: Sequence[AverageUpTo] = ()
) -> None:
    """Write metrics.csv, atomically: one row per epoch, with the averages in their epochs' rows."""
    rows = {record.training.epoch: _row(record) for record in records}
    for average in averages:
        rows[average.epoch] |= {
            "average_count": average.count,
            **_columns("average_", average.scores),
        }
    with files.atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


def _row(record: EpochRecord) -> dict[str, float]:
    trained = record.training
    return {
        "epoch": trained.epoch,
        "lr": trained.lr,
        "train_loss": trained.loss,
        "train_accuracy": trained.accuracy,
        "seconds": trained.seconds,
        **_columns("", record.scores),
    }


def _columns(prefix: str, scores: Mapping[str, Scores]) -> dict[str, float]:
    return {
        f"{prefix}{SHORT[split]}_{what}": getattr(score, what)
        for split, score in scores.items()
        for what in ("loss", "accuracy")
    }


def link_epoch(run: Path, trajectory: Trajectory, keys: Mapping[str, str], epoch: int) -> None:
    """Link an epoch's weights and logits from the store into the run directory."""
    store = trajectory.directory
    files.link(paths.checkpoint(store, epoch), paths.checkpoint(run, epoch))
    for split, key in keys.items():
        files.link(paths.logits(store, key, epoch), paths.predictions(run, split, epoch))


def save_labels(run: Path, data: Dataset) -> None:
    """Write what logits are compared with, for each split: labels, and ids in the source."""
    for name, split in data.evaluated.items():
        tensors = {"labels": split.labels, "image_ids": split.ids}
        checkpoint.save(paths.predictions(run, name, "labels"), tensors)


def describe(data: Dataset) -> Data:
    """What the data were, for summary.json."""
    return Data(
        name=data.name,
        origin=data.origin,
        synthetic=data.synthetic,
        substitute_for=data.substitute_for,
        classes=data.classes,
        input_shape=list(data.input_shape),
        sizes={"train": len(data.train)}
        | {name: len(split) for name, split in data.evaluated.items()},
    )
