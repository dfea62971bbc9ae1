"""The step loop: everything that decides the weights, and nothing else.

    trainer = Trainer.begin(recipe, images, labels)
    for step in trainer.steps(epoch=0):
        step.loss, step.correct      # on the device, not waited for

It knows nothing of averaging, of files or of scores: `epoch.py` measures an epoch, and the store
keeps it. This module and what it imports are hashed into the fingerprint.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from polyak.data import inputs
from polyak.models.initial import initial_model
from polyak.models.precision import autocast
from polyak.training.order import epoch_order, epoch_seed
from polyak.training.recipe import Recipe
from polyak.training.schedule import Schedule


@dataclass(frozen=True)
class Step:
    """One optimizer step: mean loss of its batch (nats, before the step) and how many of its
    `images` were classified correctly, as tensors of no dimension on the device."""

    loss: Tensor
    correct: Tensor
    images: int


@dataclass
class Trainer:
    """Model and optimizer with the images that they are trained on.

    Images are uint8 [N, C, H, W] and labels int64 [N], on the model's device. `forward` is what is
    called where it isn't the model itself but, say, its compiled twin.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: Schedule
    images: Tensor
    labels: Tensor
    seed: int
    batch_size: int
    planned_epochs: int | None = None
    precision: str = "fp32"
    forward: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)

    @classmethod
    def begin(cls, recipe: Recipe, images: Tensor, labels: Tensor) -> Self:
        """With the weights that the recipe's seed gives, ready for epoch 0."""
        model = initial_model(recipe.model, recipe.seed).to(images.device)
        return cls(
            model=model,
            optimizer=recipe.optimizer(model.parameters()),
            schedule=recipe.schedule,
            images=images,
            labels=labels,
            seed=recipe.seed,
            batch_size=recipe.batch_size,
            planned_epochs=recipe.planned_epochs,
            precision=recipe.precision,
            forward=torch.compile(model) if recipe.compiled else None,
        )

    def steps(self, epoch: int) -> Iterator[Step]:
        """Train on every image once, in batches, of which the last may be shorter.

        Seeds torch's global generators (dropout draws from them).
        """
        factor = self.schedule.factor(epoch, self.planned_epochs or epoch + 1)
        set_learning_rate(self.optimizer, factor)
        torch.manual_seed(epoch_seed(self.seed, epoch))
        order = epoch_order(len(self.labels), self.seed, epoch).to(self.images.device)
        self.model.train()
        for batch in order.split(self.batch_size):
            yield self._step(self.images[batch], self.labels[batch])

    def _step(self, images: Tensor, labels: Tensor) -> Step:
        forward = self.model if self.forward is None else self.forward
        with autocast(images.device, self.precision):
            logits = forward(inputs.scale(images))
        loss = F.cross_entropy(logits.float(), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return Step(loss.detach(), (logits.detach().argmax(1) == labels).sum(), len(labels))


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Set every group's lr to `factor` times the one it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
