"""What an augmentation must offer; `augmentations/` has some.

    drawn = augmentation.draw(len(images), 32, 32, generator)   # once per epoch, one row per image
    augmentation.apply(images[batch], drawn[batch])             # per batch, on the images' device

An image's row follows from the generator and the image's index alone. So neither the order of the
images nor the size of the batches changes what an epoch makes of an image.
"""

from typing import Protocol

import torch
from torch import Tensor


class Augmentation(Protocol):
    """Changes the training images at random. It has parameters and no state."""

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """All random numbers of one epoch: int64 [count, k] on the CPU, row i for image i.

        Row i does not depend on `count`. `generator` is one of the CPU.
        """

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """uint8 [B, C, H, W] and their rows int64 [B, k], on one device, to uint8 [B, C, H, W].

        The images are left as they are. Channels-last images give channels-last images. Nothing
        waits for the device.
        """

    def check(self, height: int, width: int) -> None:
        """Raises ConfigError, naming the key, where images are too small for it."""
