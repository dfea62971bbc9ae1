"""What the models share: a layer that trains fast in channels-last, and the papers' initialisation.

model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.MaxPool2d(2), Flatten(), nn.Linear(64 * 225, 10))
he_normal(model)
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


def he_normal(model: nn.Module) -> None:
    """Draw the weights of each convolution, kernel k x k and d channels out, from a normal of
    variance 2 / (k * k * d), and set its bias to zero: He et al. 2015 (arXiv:1502.01852), sec. 2.2,
    which keeps the variance of gradients. All else stays as torch made it, batch norms at 1 and 0.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


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
