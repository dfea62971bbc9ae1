"""What a run leaves for others to read: links into its trajectory, labels, what the data were.

link_epoch(run, trajectory.directory, keys, epoch=3)
"""

from collections.abc import Mapping
from pathlib import Path

from polyak import files
from polyak.data.dataset import Dataset
from polyak.records.summary import Data
from polyak.store import paths
from polyak.weights import checkpoint


def link_epoch(run: Path, store: Path, keys: Mapping[str, str], epoch: int) -> None:
    """Link an epoch's weights and logits from a trajectory's directory into the run's."""
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
