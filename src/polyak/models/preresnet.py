"""Pre-activation residual networks for small images: norm, ReLU, convolution, in this order.

model = PreResNet(input_shape=(3, 32, 32), classes=100, depth=164)
"""

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from polyak.models.layers import he_normal


class PreResNet(nn.Module):
    """Maps images [N, C, H, W] to logits [N, classes].

    He et al. 2016, "Identity Mappings in Deep Residual Networks" (arXiv:1603.05027): a convolution
    of 16 channels, three stages of units, of which the second and third halve height and width, and
    the mean over what is left. As in the paper, depths 8 to 110 (6n + 2) are of units of two
    convolutions, 164 is of bottlenecks (9n + 2); `bottleneck` says otherwise, for depths that fit.
    For 3x32x32 inputs and 10 classes, 110 has 1,730,522 parameters and 164 has 1,703,258: both are
    the paper's 1.7 M.

    In what the paper leaves open it is as the code of Izmailov et al. 2018, "Averaging Weights
    Leads to Wider Optima and Better Generalization" (arXiv:1803.05407), and 164 has the names of
    its parameters: shortcuts between stages are 1x1 convolutions of a unit's input before norm and
    ReLU, convolutions have no bias and He's initialisation, the linear layer has PyTorch's. That
    code's PreResNet110 is of bottlenecks too. Raises ValueError for a depth that no number of units
    has.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        depth: Literal[8, 20, 56, 110, 164] = 164,
        bottleneck: bool | None = None,
    ) -> None:
        super().__init__()
        narrow = depth == 164 if bottleneck is None else bottleneck
        unit: type[_Basic | _Bottleneck] = _Bottleneck if narrow else _Basic
        count, left = divmod(depth - 2, 9 if narrow else 6)
        if left:
            raise ValueError(f"depth {depth} is no 9n + 2, as bottlenecks need")
        last = 64 * unit.expansion
        self.conv1 = _convolution(input_shape[0], 16, kernel=3)
        self.layer1 = _stage(unit, count, 16, 16, stride=1)
        self.layer2 = _stage(unit, count, 16 * unit.expansion, 32, stride=2)
        self.layer3 = _stage(unit, count, 32 * unit.expansion, 64, stride=2)
        self.bn = nn.BatchNorm2d(last)
        self.fc = nn.Linear(last, classes)
        he_normal(self)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        hidden = F.relu(self.bn(hidden), inplace=True)
        logits: Tensor = self.fc(F.adaptive_avg_pool2d(hidden, 1).flatten(1))
        return logits


class _Basic(nn.Module):
    """Two convolutions, [N, channels, H, W] to [N, width, H / stride, W / stride]."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = _convolution(channels, width, kernel=3, stride=stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, kernel=3)
        self.downsample = _shortcut(channels, width, stride)

    def forward(self, given: Tensor) -> Tensor:
        hidden = self.conv1(F.relu(self.bn1(given), inplace=True))
        hidden = self.conv2(F.relu(self.bn2(hidden), inplace=True))
        total: Tensor = self.downsample(given) + hidden
        return total


class _Bottleneck(nn.Module):
    """Three convolutions, [N, channels, H, W] to [N, 4 * width, H / stride, W / stride]."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = _convolution(channels, width, kernel=1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, kernel=3, stride=stride)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = _convolution(width, width * self.expansion, kernel=1)
        self.downsample = _shortcut(channels, width * self.expansion, stride)

    def forward(self, given: Tensor) -> Tensor:
        hidden = self.conv1(F.relu(self.bn1(given), inplace=True))
        hidden = self.conv2(F.relu(self.bn2(hidden), inplace=True))
        hidden = self.conv3(F.relu(self.bn3(hidden), inplace=True))
        total: Tensor = self.downsample(given) + hidden
        return total


def _stage(
    unit: type[_Basic | _Bottleneck], count: int, channels: int, width: int, stride: int
) -> nn.Sequential:
    first = unit(channels, width, stride)
    return nn.Sequential(
        first, *(unit(width * unit.expansion, width, stride=1) for _ in range(count - 1))
    )


def _shortcut(channels: int, width: int, stride: int) -> nn.Module:
    if stride == 1 and channels == width:
        return nn.Identity()
    return nn.Sequential(_convolution(channels, width, kernel=1, stride=stride))


def _convolution(channels: int, width: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Of an odd `kernel`, padded so that stride 1 keeps height and width."""
    return nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)
