"""The order of the images, and all other randomness in an epoch: by seed and epoch alone.

    epoch_order(50_000, seed=0, epoch=3)

So any epoch can be the first after a restart.
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from polyak.data.augmentation import Augmentation


def epoch_seed(seed: int, epoch: int, purpose: str = "") -> int:
    """A seed for all randomness of one epoch, or for one more `purpose`; 63 bits of SHA-256, so
    that none are correlated."""
    digest = hashlib.sha256(f"polyak {purpose}{seed} {epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch takes `count` images: a permutation, int64 [count], on CPU."""
    generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
    return torch.randperm(count, generator=generator)


def epoch_table(augmentation: Augmentation, shape: Sequence[int], seed: int, epoch: int) -> Tensor:
    """How an epoch augments each of the images [N, C, H, W] of that `shape`: int64 [N, k] on CPU, a
    row per image, whatever the batches and their order."""
    count, _, height, width = shape
    generator = torch.Generator().manual_seed(epoch_seed(seed, epoch, "augmentation "))
    return augmentation.draw(count, height, width, generator)
