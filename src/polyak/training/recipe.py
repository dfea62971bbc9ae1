"""A recipe and its seed: all that decides a trajectory, apart from the images.

Recipe(model=lambda: SmallCNN((3, 32, 32), 10), optimizer=partial(SGD, lr=0.05), ...)
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from polyak.training.schedule import Schedule


@dataclass(frozen=True)
class Recipe:
    """Factories of model and optimizer, and numbers.

    `planned_epochs` is None where the schedule doesn't depend on it. `described` says in JSON
    values what the factories and the schedule are.
    """

    model: Callable[[], nn.Module]
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    schedule: Schedule
    planned_epochs: int | None
    batch_size: int
    precision: str
    compiled: bool
    seed: int
    described: Mapping[str, Any]
