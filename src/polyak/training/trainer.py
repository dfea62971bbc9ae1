"""The step loop: everything that decides the weights, and nothing else.

    trainer = Trainer.begin(recipe, images, labels)
    for step in trainer.steps(epoch=0):
        step.loss, step.correct      # on the device, not waited for

It knows nothing of averaging, of files or of scores: `epoch.py` measures an epoch, and the store
keeps it. This module and what it imports are hashed into the fingerprint.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from polyak.data import inputs
from polyak.models.initial import initial_model
from polyak.models.precision import autocast
from polyak.training.decay import parameters
from polyak.training.order import epoch_order, epoch_seed, epoch_table
from polyak.training.recipe import Recipe


@dataclass(frozen=True)
class Step:
    """One optimizer step: mean loss of its batch (nats, before the step) and how many of its
    `images` were classified correctly, as tensors of no dimension on the device."""

    loss: Tensor
    correct: Tensor
    images: int


@dataclass
class Trainer:
    """Model and optimizer with the images that they are trained on, by a recipe.

    Images are uint8 [N, C, H, W] and labels int64 [N], on the model's device. `forward` is what is
    called where it isn't the model itself but, say, its compiled twin.
    """

    model: nn.Module
    optimizer: Optimizer
    recipe: Recipe
    images: Tensor
    labels: Tensor
    forward: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)

    @classmethod
    def begin(cls, recipe: Recipe, images: Tensor, labels: Tensor) -> Self:
        """With the weights that the recipe's seed gives, ready for epoch 0."""
        model = initial_model(recipe.model, recipe.seed).to(images.device)
        return cls(
            model=model,
            optimizer=recipe.optimizer(parameters(model, recipe.decay)),
            recipe=recipe,
            images=images,
            labels=labels,
            forward=torch.compile(model) if recipe.compiled else None,
        )

    def steps(self, epoch: int) -> Iterator[Step]:
        """Train on every image once, in batches, of which the last may be shorter, or is left out.

        Seeds torch's global generators (dropout draws from them). After the last step, the model
        has the weights that the optimizer's method deploys, where it trains at others.
        """
        recipe, device = self.recipe, self.images.device
        torch.manual_seed(epoch_seed(recipe.seed, epoch))
        order = epoch_order(len(self.labels), recipe.seed, epoch).to(device)
        table = epoch_table(recipe.augmentation, self.images.shape, recipe.seed, epoch).to(device)
        batches = order.split(recipe.batch_size)
        if recipe.drop_last and len(batches[-1]) < recipe.batch_size:
            batches = batches[:-1]
        self.model.train()
        set_mode(self.optimizer, "train")
        try:
            for step, batch in enumerate(batches):
                self._set_learning_rate(epoch, step / len(batches))
                images = recipe.augmentation.apply(self.images[batch], table[batch])
                yield self._step(images, self.labels[batch])
        finally:  # also where not all steps were wanted
            set_mode(self.optimizer, "eval")

    def _set_learning_rate(self, epoch: int, done: float) -> None:
        """As the schedule has it, with so much of the epoch `done` where it goes by steps."""
        now = epoch + done if self.recipe.per == "step" else epoch
        factor = self.recipe.schedule.factor(now, self.recipe.planned_epochs or epoch + 1)
        set_learning_rate(self.optimizer, factor)

    def _step(self, images: Tensor, labels: Tensor) -> Step:
        recipe, forward = self.recipe, self.model if self.forward is None else self.forward
        with autocast(images.device, recipe.precision):
            logits = forward(inputs.scale(images, recipe.scaling))
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        self.optimizer.step()
        return Step(loss.detach(), (logits.detach().argmax(1) == labels).sum(), len(labels))


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Set every group's lr to `factor` times the one it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def set_mode(optimizer: Optimizer, mode: Literal["train", "eval"]) -> None:
    """Give the model the weights at which the optimizer's method trains, or those that it deploys,
    where these are two: schedule-free ones have a method of either name. Twice is as once."""
    getattr(optimizer, mode, lambda: None)()
