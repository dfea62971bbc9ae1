"""VGG for small images: stacks of 3x3 convolutions, a pool after each, and a small classifier.

model = VGG(input_shape=(3, 32, 32), classes=100, depth=16, batch_norm=True)
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from polyak.models.layers import Flatten, he_normal

_WIDTHS = (64, 128, 256, 512, 512)
"""Channels of the five stacks."""

_CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""By depth, how many each stack has; three linear layers make up the depth."""


class VGG(nn.Module):
    """Maps images [N, C, H, W] to logits [N, classes].

    Configurations D (16) and E (19) of Simonyan and Zisserman 2014 (arXiv:1409.1556) with the
    classifier of Izmailov et al. 2018 (arXiv:1803.05407), whose parameters' names and
    initialisation these are: dropout (0.5), linear, ReLU, twice with 512 units, and a linear layer.
    Convolutions have He's initialisation and biases, also in front of batch norms; linear layers
    have PyTorch's. For 3x32x32 inputs and 10 classes, 16 has 15,245,130 parameters, and 15,253,578
    with `batch_norm`.

    The pools round heights and widths up, so that 28x28 survives five of them; for multiples of 32
    that is the original. Images beyond 32x32 widen the first linear layer.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        depth: Literal[16, 19] = 16,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        channels, height, width = input_shape
        layers: list[nn.Module] = []
        for count, filters in zip(_CONVOLUTIONS[depth], _WIDTHS, strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(channels, filters, kernel_size=3, padding=1))
                layers += [nn.BatchNorm2d(filters)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                channels = filters
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*layers, Flatten())
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(channels * -(-height // 32) * -(-width // 32), 512),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(512, 512),
            nn.ReLU(inplace=True),
            nn.Linear(512, classes),
        )
        he_normal(self)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images))
        return logits
