"""Images with a square blanked out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from polyak.data import crops
from polyak.errors import ConfigError
from polyak.parameters import Byte, Count


@dataclass(frozen=True)
class Cutout:
    """A crop and flip as `crop_flip` does them (`flip` False: as `crop`), then a square of `size`
    pixels set to `fill` (0..255; 128 is about 0 to the model).

    Its centre is any pixel of the image, so that at the border only a part of it lies inside
    (DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552: 16 for CIFAR-10, 8 for CIFAR-100, 20
    for SVHN, without crop and flip there).
    """

    pad: Count = 4
    flip: bool = True
    size: Count = 16
    fill: Byte = 128

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Columns: the crop's first row and first column, each in 0..2 * pad; 1 to flip, or 0; row
        and column of the square's centre."""
        offsets = 2 * self.pad + 1
        sizes = (offsets, offsets, 2 if self.flip else 1, height, width)
        return crops.draw(count, sizes, generator)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        top, left, flipped, row, column = drawn.unbind(1)
        cropped = crops.crop(images, self.pad, top, left, flipped)
        height, width = images.shape[2:]
        rows, columns = self._covered(row, height), self._covered(column, width)
        hole = rows[:, None, :, None] & columns[:, None, None, :]
        return cropped.masked_fill_(hole, self.fill)  # a new tensor, which may be changed

    def _covered(self, centre: Tensor, length: int) -> Tensor:
        """bool [B, length]: the rows, or columns, that squares with these centres [B] cover."""
        first = centre[:, None] - self.size // 2
        places = torch.arange(length, device=centre.device)
        return (first <= places) & (places < first + self.size)

    def check(self, height: int, width: int) -> None:
        crops.check_pad(self.pad, height, width)
        if self.size > min(height, width):
            raise ConfigError(
                f"augmentation.size = {self.size}: the images have {height} x {width} pixels; "
                f"allowed: at most {min(height, width)}, the shorter side"
            )
