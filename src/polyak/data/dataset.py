"""What every source of data becomes: uint8 tensors in memory, split into train, validation, test.

dataset = split(arrays.load(...), validation=0.1)   # splitting.py
dataset.train.images  # uint8 [N, C, H, W]
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """Images uint8 [N, C, H, W], labels int64 [N], and ids int64 [N]: positions in the source."""

    images: Tensor
    labels: Tensor
    ids: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """SHA-256 (hex) of shape, images and labels: the content, however it was named."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        """Once per split: a sweep's points have the same, and hashing takes a second per GB."""
        total = hashlib.sha256(json.dumps(list(self.images.shape)).encode())
        total.update(self.images.contiguous().numpy().data)
        total.update(self.labels.contiguous().numpy().data)
        return total.hexdigest()


@dataclass(frozen=True)
class Source:
    """Labelled images before the validation split, and what a reader must know of them.

    `groups` int64 [N] says which training images belong together (crops of one photo), or None.
    `substitute_for` names the data that was asked for and could not be had.
    """

    name: str
    origin: str
    synthetic: bool
    classes: int
    train: Split
    test: Split
    groups: Tensor | None = None
    substitute_for: str | None = None


@dataclass(frozen=True)
class Dataset:
    """Train, validation (None where nothing was carved) and test."""

    name: str
    origin: str
    synthetic: bool
    substitute_for: str | None
    classes: int
    train: Split
    validation: Split | None
    test: Split

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def evaluated(self) -> dict[str, Split]:
        """The splits that checkpoints are evaluated on, by name."""
        both = {"validation": self.validation, "test": self.test}
        return {name: split for name, split in both.items() if split is not None}

    @property
    def splits(self) -> dict[str, Split]:
        """All splits, by name."""
        return {"train": self.train, **self.evaluated}

    @property
    def title(self) -> str:
        """The name for titles; it says so where the data are not what was asked for, or drawn."""
        if self.substitute_for:
            return f"{self.name} (synthetic, NOT {self.substitute_for})"
        return f"{self.name} (synthetic)" if self.synthetic else self.name


def make_split(images: Tensor, labels: Tensor, limit: int | None, name: str = "train") -> Split:
    """The first `limit` (None: all) of images [N, C, H, W] and labels [N].

    Logs a warning where they are no fair sample of all, as the first images of a file that is
    sorted by class; `name` is the split's in it.
    """
    kept = slice(limit)
    if limit is not None and (unfair := _unfair(labels, labels[kept])):
        log.warning(
            "dataset.limit_%s = %d: the first images %s; is the data sorted by class? Shuffle it",
            name,
            limit,
            unfair,
        )
    ids = torch.arange(len(labels))
    return Split(images[kept].contiguous(), labels[kept].to(torch.int64), ids[kept])


def _unfair(labels: Tensor, kept: Tensor) -> str:
    """In what the classes of `kept` are no fair sample of those of `labels`; "" where they are."""
    classes, counts = labels.unique(return_counts=True)
    found = (kept[:, None] == classes).sum(0)
    if missing := classes[found == 0].tolist():
        return f"have none of class {', '.join(map(str, missing))}"
    expected = counts.double() / len(labels) * len(kept)
    if len(classes) == 1:
        return ""
    statistic = float(((found - expected) ** 2 / expected).sum())
    half = torch.tensor([len(classes) - 1, statistic], dtype=torch.float64) / 2
    if torch.special.gammaincc(*half) > 1e-6:  # as a random sample may be: chi-square test
        return ""
    worst = int(((found - expected).abs() / expected).argmax())
    shares = found / len(kept), counts / len(labels)
    return (
        f"are {100 * shares[0][worst]:.0f} % of class {classes[worst]}, "
        f"which is {100 * shares[1][worst]:.0f} % of all"
    )
