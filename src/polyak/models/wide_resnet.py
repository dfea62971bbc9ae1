"""Wide residual networks for small images: few units, of many channels.

model = WideResNet(input_shape=(3, 32, 32), classes=100, depth=28, widen=10)
"""

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from polyak.models.layers import he_normal
from polyak.parameters import Count, Dropout


class WideResNet(nn.Module):
    """Maps images [N, C, H, W] to logits [N, classes].

    Zagoruyko and Komodakis 2016, "Wide Residual Networks" (arXiv:1605.07146): a convolution of 16
    channels, three stages of (depth - 4) / 6 units each, whose channels are 16, 32 and 64 times
    `widen` and of which the second and third halve height and width, and the mean over what is
    left. WRN-28-10, the default, has 36,479,194 parameters for 3x32x32 inputs and 10 classes: the
    paper's 36.5 M.

    As in the authors' code, convolutions have no bias and He's initialisation, the linear layer's
    bias begins at zero, a shortcut that changes the number of channels is a 1x1 convolution behind
    the unit's first norm and ReLU, and `dropout`, the probability of a zero, is in front of each
    unit's second convolution. (Of published code for averaging, timgaripov/swa has biases, default
    initialisation and shortcuts before the norm.)
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        depth: Literal[10, 16, 22, 28, 40] = 28,
        widen: Count = 10,
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        count = (depth - 4) // 6
        first, second, third = 16 * widen, 32 * widen, 64 * widen
        self.conv1 = nn.Conv2d(input_shape[0], 16, kernel_size=3, padding=1, bias=False)
        self.layer1 = _stage(count, 16, first, stride=1, dropout=dropout)
        self.layer2 = _stage(count, first, second, stride=2, dropout=dropout)
        self.layer3 = _stage(count, second, third, stride=2, dropout=dropout)
        self.bn = nn.BatchNorm2d(third)
        self.fc = nn.Linear(third, classes)
        he_normal(self)
        nn.init.zeros_(self.fc.bias)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        hidden = F.relu(self.bn(hidden), inplace=True)
        logits: Tensor = self.fc(F.adaptive_avg_pool2d(hidden, 1).flatten(1))
        return logits


class _Unit(nn.Module):
    """Two convolutions, [N, channels, H, W] to [N, width, H / stride, W / stride]. Where `channels`
    is `width`, the stride must be 1."""

    def __init__(self, channels: int, width: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.shortcut = (
            None if channels == width else nn.Conv2d(channels, width, 1, stride, bias=False)
        )

    def forward(self, given: Tensor) -> Tensor:
        active = F.relu(self.bn1(given), inplace=True)
        hidden: Tensor = F.relu(self.bn2(self.conv1(active)), inplace=True)
        hidden = self.conv2(self.dropout(hidden))
        return hidden + (given if self.shortcut is None else self.shortcut(active))


def _stage(count: int, channels: int, width: int, stride: int, dropout: float) -> nn.Sequential:
    first = _Unit(channels, width, stride, dropout)
    return nn.Sequential(first, *(_Unit(width, width, 1, dropout) for _ in range(count - 1)))
