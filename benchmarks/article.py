"""The article's own code, restated plainly: what this project's results and speed are held against.

A Dataset with ToTensor and Normalize, a DataLoader, a loop; the weights of epochs 10..19 added up
and divided. The order of the batches is given, so that both see the same ones.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class ArticleCNN(nn.Module):
    """The article's class."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * 16 * 16, 256),
            nn.ReLU(),
            nn.Linear(256, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x))
        return logits


class Images(Dataset[tuple[Tensor, int]]):
    """Images uint8 [N, C, H, W] as ToTensor and Normalize make them."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images.permute(0, 2, 3, 1).numpy()
        self.labels = labels
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image: Tensor = self.transform(self.images[index])
        return image, int(self.labels[index])


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    orders: Iterable[Tensor],
    *,
    lr: float = 0.05,
    momentum: float = 0.9,
    batch_size: int = 128,
) -> Iterator[list[float]]:
    """Train one epoch for each order; yield the epoch's losses, step by step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    criterion = nn.CrossEntropyLoss()
    data = Images(images, labels)
    for order in orders:
        model.train()
        losses = []
        for inputs, targets in DataLoader(data, batch_size, sampler=order.tolist()):
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        yield losses


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """A fraction."""
    model.eval()
    correct = 0
    for inputs, targets in DataLoader(Images(images, labels), batch_size=128):
        correct += (model(inputs).argmax(1) == targets).sum().item()
    return correct / len(labels)


def average(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each entry, in float64."""
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(tensor.dtype)
        for name, tensor in states[0].items()
    }
