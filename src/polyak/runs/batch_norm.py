"""What becomes of batch norm's running statistics in a run's averages.

    statistics = BatchNorm(model, recipe, images, device, mode="refresh")
    statistics.of_average(mean, last=run / "checkpoints/epoch_019.safetensors")
    statistics.refreshed(checkpoint)      # any weights, with statistics of their own

Statistics that were averaged like weights are no one's: docs/batch_norm.md.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from math import ceil

import torch
from torch import Tensor, nn

from polyak.averaging.batch_norm import refresh, statistics
from polyak.data import inputs
from polyak.errors import ConfigError
from polyak.models.precision import autocast
from polyak.runs.treatment import Mode, Treatment
from polyak.training.order import epoch_order, epoch_table
from polyak.training.recipe import Recipe
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.layout import load_into

log = logging.getLogger(__name__)

_BEFORE_THE_FIRST = -1
"""The epoch whose order and augmentation the images have."""


class BatchNorm(Treatment):
    """The statistics of a model's averages, by the mode; computed on training images.

    Training images are uint8 [N, C, H, W]. Of them, `count` (None: all), drawn by the recipe's
    seed, are taken in batches of `batch_size` at most, of equal sizes to within one image, with or
    without the training's augmentation: for every model the same.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        images: Tensor,
        device: torch.device,
        *,
        mode: Mode = "refresh",
        count: int | None = None,
        batch_size: int | None = None,
        augment: bool = True,
    ) -> None:
        super().__init__(statistics(model), mode)
        self._model, self._recipe, self._augment = model.to(device), recipe, augment
        self._images, self._device = images, device
        order = epoch_order(len(images), recipe.seed, _BEFORE_THE_FIRST)[:count]
        self._batches = order.to(device).tensor_split(
            ceil(len(order) / (batch_size or recipe.batch_size))
        )

    def check(self) -> None:
        """Before there are any weights: raise ConfigError where statistics are to be computed and
        can't be, on such small batches. With another mode, only the last checkpoint goes without.
        """
        smallest = min(map(len, self._batches))
        blank = torch.zeros(smallest, *self._images.shape[1:], device=self._device)
        try:
            self._refresh([inputs.scale(blank, self._recipe.scaling)])
        except ValueError as error:
            self.can_refresh = False
            if self.mode != "refresh":
                log.warning("no statistics for the last checkpoint: batches too small (%s)", error)
                return
            raise ConfigError(
                f"averaging.refresh: batches of {smallest} images are too small for the model's "
                f"batch norm ({error}); allowed: a larger averaging.refresh.batch_size or "
                "averaging.refresh.images, or averaging.batch_norm=average or last"
            ) from error

    def computed(self, weights: Checkpoint) -> Mapping[str, Tensor]:
        load_into(self._model, weights.tensors)
        self._refresh(self._inputs())
        return self._model.state_dict()

    def _refresh(self, batches: Iterable[Tensor]) -> None:
        with autocast(self._device, self._recipe.precision):
            refresh(self._model, batches)

    def _inputs(self) -> Iterator[Tensor]:
        """The batches as the model takes them, on its device."""
        (images, table), recipe = self._on_device, self._recipe
        for batch in self._batches:
            chosen = images[batch]
            if self._augment:
                chosen = recipe.augmentation.apply(chosen, table[batch])
            yield inputs.scale(chosen, recipe.scaling)

    @cached_property
    def _on_device(self) -> tuple[Tensor, Tensor]:
        """The images, and how each is augmented."""
        recipe, images = self._recipe, self._images
        table = epoch_table(recipe.augmentation, images.shape, recipe.seed, _BEFORE_THE_FIRST)
        return images.to(self._device), table.to(self._device)
