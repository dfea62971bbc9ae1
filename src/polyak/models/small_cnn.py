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
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        channels: tuple[Count, Count] = (32, 64),
        hidden: Count = 256,
    ) -> None:
        super().__init__()
        depth, height, width = input_shape
        first, second = channels
        self.features = nn.Sequential(
            nn.Conv2d(depth, first, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, kernel_size=3, padding=1),
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
