"""What makes a training: its model, optimizer, schedule and numbers.

recipe.ingredients(dataset, epochs=20)  # all that decides the weights, as JSON values
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from polyak.data.dataset import Dataset
from polyak.store.fingerprint import code_digest
from polyak.training import epoch as training
from polyak.training.epoch import Schedule


@dataclass(frozen=True)
class Recipe:
    """All that decides a training's weights, apart from the images.

    `described` says in JSON values what the three factories make.
    """

    model: Callable[[], nn.Module]
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    schedule: Schedule
    batch_size: int
    precision: str
    compiled: bool
    seed: int
    described: Mapping[str, Any]

    def ingredients(self, dataset: Dataset, epochs: int) -> dict[str, Any]:
        """What goes into the fingerprint. `epochs` does so only where the schedule needs it."""
        model = training.initial_model(self.model, self.seed)
        optimizer = self.optimizer(model.parameters())
        code = [type(part).__module__ for part in (model, optimizer, self.schedule)]
        return {
            "training_split": dataset.train.digest(),
            **self.described,
            "planned_epochs": epochs if self.schedule.depends_on_epochs else None,
            "batch_size": self.batch_size,
            "precision": self.precision,
            "compiled": self.compiled,
            "seed": self.seed,
            "code": code_digest([training.__name__, *code]),
        }
