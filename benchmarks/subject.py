"""What is measured: random pixels, the networks, and recipes to train them by.

images, labels = pixels(2560)
Trainer.begin(recipe(), images, labels)

How long a step takes does not depend on the pixels.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from polyak.data.dataset import Split
from polyak.models.initial import initial_model
from polyak.models.preresnet import PreResNet
from polyak.models.small_cnn import SmallCNN
from polyak.training.recipe import Recipe
from polyak.training.schedules.constant import Constant

BATCH_SIZE = 128


def pixels(count: int) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 3, 32, 32] and labels int64 [N], random."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return images, torch.randint(10, (count,), generator=generator)


def split(count: int) -> Split:
    return Split(*pixels(count), torch.arange(count))


def small_cnn() -> nn.Module:
    """The article's network."""
    return initial_model(lambda: SmallCNN((3, 32, 32), 10), seed=0)


def preresnet() -> nn.Module:
    return initial_model(lambda: PreResNet((3, 32, 32), 10, depth=8), seed=0)


def recipe(
    model: Callable[[], nn.Module] = small_cnn, momentum: float = 0.9, **options: Any
) -> Recipe:
    """SGD with a small constant rate, in batches of 128."""
    factory = partial(torch.optim.SGD, lr=0.001, momentum=momentum)
    return Recipe(model, factory, Constant(), BATCH_SIZE, seed=0, **options)
