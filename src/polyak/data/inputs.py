"""From stored images to a model's inputs.

inputs.scale(split.images[batch], Scaling())
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation that values in 0..1 are normalised by: one number for all
    channels, or one per channel. The article's by default."""

    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)


def scale(images: Tensor, scaling: Scaling) -> Tensor:
    """uint8 [N, C, H, W] to float32: ToTensor, then Normalize(mean, std).

    The same divisions and subtraction in the same order as torchvision's, so the same bits.
    """
    mean, std = (_constant(values, images.device) for values in (scaling.mean, scaling.std))
    return images.to(torch.float32).div_(255).sub_(mean).div_(std)


@lru_cache(maxsize=16)
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor | float:
    """On the device, once: a copy per step would wait for it."""
    if len(values) == 1:
        return values[0]
    with torch.inference_mode(False):  # the first to ask may be an evaluation
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]
