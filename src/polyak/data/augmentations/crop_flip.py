"""Shifted and mirrored images: what is usual for CIFAR."""

from dataclasses import dataclass

import torch
from torch import Tensor

from polyak.data import crops
from polyak.parameters import Count


@dataclass(frozen=True)
class CropFlip:
    """`pad` zeros (black) on each side, a random crop of the image's own size, and a horizontal
    flip of every second image on average (He et al. 2016, https://arxiv.org/abs/1512.03385, section
    4.2: pad 4 for 32 x 32)."""

    pad: Count = 4

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Columns: the crop's first row and first column, each in 0..2 * pad; 1 to flip, or 0."""
        offsets = 2 * self.pad + 1
        return crops.draw(count, (offsets, offsets, 2), generator)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        top, left, flipped = drawn.unbind(1)
        return crops.crop(images, self.pad, top, left, flipped)

    def check(self, height: int, width: int) -> None:
        crops.check_pad(self.pad, height, width)
