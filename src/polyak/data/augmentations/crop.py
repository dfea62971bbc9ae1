"""Shifted images: for digits, and whatever else must not be mirrored."""

from dataclasses import dataclass

import torch
from torch import Tensor

from polyak.data import crops
from polyak.parameters import Count


@dataclass(frozen=True)
class Crop:
    """`pad` zeros (black) on each side, then a random crop of the image's own size."""

    pad: Count = 4

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Columns: the crop's first row and first column, each in 0..2 * pad."""
        offsets = 2 * self.pad + 1
        return crops.draw(count, (offsets, offsets), generator)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        top, left = drawn.unbind(1)
        return crops.crop(images, self.pad, top, left)

    def check(self, height: int, width: int) -> None:
        crops.check_pad(self.pad, height, width)
