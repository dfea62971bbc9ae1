"""`house_numbers` as a source: drawn once, then kept on disk.

python src/train.py dataset=house_numbers
"""

import logging
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock
from torch import Tensor

from polyak.data import drawn_digits
from polyak.data.dataset import Source, make_split
from polyak.errors import CheckpointError
from polyak.parameters import Count, Directory, Seed
from polyak.weights import checkpoint, streamed
from polyak.weights.layout import Entry

log = logging.getLogger(__name__)


def load(
    datasets: Directory,
    *,
    seed: Seed = 0,
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> Source:
    """The first images of both splits; `limit_*` None: as many as SVHN has."""
    folder = Path(datasets) / "house_numbers"
    train = _cached(folder, "train", drawn_digits.TRAIN_SIZE, limit_train, seed)
    test = _cached(folder, "test", drawn_digits.TEST_SIZE, limit_test, seed)
    return Source(
        name="house_numbers",
        origin=f"drawn by polyak: version {drawn_digits.VERSION}, seed {seed}",
        synthetic=True,
        classes=10,
        train=make_split(*train, None),
        test=make_split(*test, None),
    )


def _cached(
    folder: Path, split: Literal["train", "test"], size: int, limit: int | None, seed: int
) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 3, 32, 32] and labels int64 [N], from disk where they are there."""
    count = min(limit or size, size)
    path = folder / f"v{drawn_digits.VERSION}_seed{seed}_{split}_{count}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        try:
            images = checkpoint.tensor(path, "images", torch.uint8, (count, 3, 32, 32))
            return images, checkpoint.tensor(path, "labels", torch.int64, (count,))
        except CheckpointError:  # not there, or corrupted
            log.info("drawing %s digits into %s, once", f"{count:,}", path)
            images, labels = drawn_digits.generate(split, count, seed)
            found = {"images": images, "labels": labels}
            entries = {name: Entry(one.dtype, one.shape) for name, one in found.items()}
            # Not by checkpoint.save, which copies them.
            streamed.write(
                path, entries, ((name, found[name]) for name in streamed.ordered(entries))
            )
            return images, labels
