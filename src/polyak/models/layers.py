"""Layers for models that train fast in channels-last.

nn.Sequential(nn.Conv2d(3, 64, 3), nn.MaxPool2d(2), Flatten(), nn.Linear(64 * 225, 10))
"""

from typing import Any

import torch
from torch import Tensor, nn


class Flatten(nn.Flatten):
    """nn.Flatten, with the gradient in the memory format of the input.

    nn.Flatten's gradient is in the default format. Max-pool's backward converts its other inputs
    to the format of the gradient, and for channels-last ones these copies take longer than it.
    """

    def forward(self, input: Tensor) -> Tensor:  # the name is nn.Flatten's
        """[N, C, H, W] to [N, C * H * W], in this order whatever the memory format."""
        return super().forward(_SameFormat.apply(input))


class _SameFormat(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        ctx.channels_last = input.dim() == 4 and input.is_contiguous(
            memory_format=torch.channels_last
        )
        return input.view_as(input)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        if not ctx.channels_last:
            return gradient
        return gradient.contiguous(memory_format=torch.channels_last)
