"""A recipe and its seed: all that decides a trajectory, apart from the images.

Recipe(model=lambda: SmallCNN((3, 32, 32), 10), optimizer=partial(SGD, lr=0.05), ...)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from polyak.data.augmentation import Augmentation
from polyak.data.augmentations.none import Identity
from polyak.data.inputs import Scaling
from polyak.training.schedule import Schedule


@dataclass(frozen=True)
class Recipe:
    """Factories of model and optimizer, and numbers.

    `planned_epochs` is None where the schedule doesn't depend on it, which goes `per` epoch or
    step. `decay` says what weight decay applies to: all parameters, or the weights alone, without
    biases and norms. `clip_norm` is the largest Euclidean norm of a step's gradient. `init` is the
    SHA-256 of the weights that the model starts from, where they are not the seed's. `described`
    says in JSON values what the factories, the schedule and the augmentation are.
    """

    model: Callable[[], nn.Module]
    optimizer: Callable[[ParamsT], Optimizer]
    schedule: Schedule
    batch_size: int
    seed: int
    described: Mapping[str, Any] = field(default_factory=dict)
    planned_epochs: int | None = None
    augmentation: Augmentation = field(default_factory=Identity)
    scaling: Scaling = field(default_factory=Scaling)
    per: Literal["epoch", "step"] = "epoch"
    decay: Literal["all", "weights"] = "all"
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    drop_last: bool = False
    precision: str = "fp32"
    compiled: bool = False
    init: str | None = None

    def steps(self, images: int) -> int:
        """Of an epoch on so many images."""
        return images // self.batch_size if self.drop_last else -(-images // self.batch_size)
