"""The article's network: two convolutions, one max-pool, two linear layers.

model = SmallCNN(input_shape=(3, 32, 32), classes=10)
"""

from collections.abc import Sequence

from torch import Tensor, nn

from polyak.models.layers import Flatten
from polyak.parameters import Count


class SmallCNN(nn.Module):
    """Maps images [N, C, H, W] to logits [N, classes].

    For 3x32x32 inputs and 10 classes the parameters have the article's names and shapes:
    features.0 (conv 3-32), features.2 (conv 32-64), classifier.1 (linear 16384-256) and
    classifier.3 (linear 256-10). PyTorch's default initialisation.

    With `batch_norm` a batch norm follows each convolution, whose bias it makes superfluous: the
    convolutions have none.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        channels: tuple[Count, Count] = (32, 64),
        hidden: Count = 256,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        depth, height, width = input_shape
        first, second = channels
        self.features = nn.Sequential(
            *_convolution(depth, first, batch_norm),
            nn.ReLU(),
            *_convolution(first, second, batch_norm),
            # The article has the ReLU before the pool: the same function with the same gradients,
            # on four times the values.
            nn.MaxPool2d(2),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            Flatten(),
            nn.Linear(second * (height // 2) * (width // 2), hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images))
        return logits


def _convolution(channels: int, width: int, batch_norm: bool) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=not batch_norm)
    return [convolution, nn.BatchNorm2d(width)] if batch_norm else [convolution]
