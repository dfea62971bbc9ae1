"""From stored images to a model's inputs.

inputs.scale(split.images[batch])
"""

import torch
from torch import Tensor

MEAN = STD = 0.5


def scale(images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] to float32 in [-1, 1]: ToTensor, then Normalize(mean 0.5, std 0.5).

    The same divisions and subtraction in the same order as torchvision's, so the same bits.
    """
    return images.to(torch.float32).div_(255).sub_(MEAN).div_(STD)
