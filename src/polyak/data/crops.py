"""Random numbers, crops and flips: what several augmentations share.

drawn = draw(len(images), (9, 9, 2), generator)   # of top, left and flipped
crop(images, 4, *drawn.unbind(1))
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from polyak.errors import ConfigError


def draw(count: int, sizes: Sequence[int], generator: torch.Generator) -> Tensor:
    """int64 [count, len(sizes)]: column k is uniform on 0..sizes[k] - 1.

    Each is the remainder of a number of 62 bits, so that every entry takes one number, whatever its
    range, and row i is the same for every count. A remainder's probability is off by less than
    sizes[k] / 2**62 of itself.
    """
    numbers = torch.randint(2**62, (count, len(sizes)), generator=generator)
    return numbers % torch.tensor(sizes)


def crop(
    images: Tensor, pad: int, top: Tensor, left: Tensor, flipped: Tensor | None = None
) -> Tensor:
    """The images [B, C, H, W] with `pad` zeros on each side, cut back to H x W from row `top` and
    column `left` on, each int64 [B], in 0..2 * pad; mirrored left to right where `flipped` [B] is
    not zero. The memory format is that of the images.

    One gather does it all: measured beside the alternatives in docs/augmentation.md.
    """
    count, channels, height, width = images.shape
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    if flipped is not None:
        columns = torch.where(flipped[:, None] != 0, width - 1 - columns, columns)
    columns = left[:, None] + columns
    places = rows[:, :, None] * (width + 2 * pad) + columns[:, None, :]  # [B, H, W]
    padded = F.pad(images, (pad, pad, pad, pad)).flatten(2)
    places = places.view(count, 1, height * width).expand(count, channels, height * width)
    cropped = padded.gather(2, places).view(images.shape)
    return cropped.contiguous(memory_format=_memory_format(images))


def check_pad(pad: int, height: int, width: int) -> None:
    """Raises ConfigError where a crop could have no pixel of the image."""
    if pad >= min(height, width):
        raise ConfigError(
            f"augmentation.pad = {pad}: the images have {height} x {width} pixels; "
            f"allowed: below {min(height, width)}, the shorter side"
        )


def _memory_format(images: Tensor) -> torch.memory_format:
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    if channels_last and not images.is_contiguous():  # grey images are both
        return torch.channels_last
    return torch.contiguous_format
