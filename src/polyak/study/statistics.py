"""What becomes of running statistics in averages of somebody's own model.

    statistics = Statistics(weights, model=model, batches=lambda: (x for x, _ in loader))
    statistics.of_average(mean, last=path)

Each average's own are computed on batches of what the model takes: docs/batch_norm.md.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args

from torch import Tensor, nn

from polyak import files
from polyak.averaging.batch_norm import refresh, statistics
from polyak.errors import ConfigError
from polyak.recorder.wrapped import unwrapped
from polyak.runs.treatment import Mode, Treatment
from polyak.study.untouched import random_states
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.layout import STATISTICS, load_into

Batches = Iterable[Tensor] | Callable[[], Iterable[Tensor]]

SEED = 0
"""Of what the batches draw from the global generators: the same for every average."""


class Statistics(Treatment):
    """Of `model`, of which a copy is used, on `batches`: each a tensor that the model takes, in a
    list, or anything else that can be gone through again, or from a function that gives them anew.
    Of `weights`, one checkpoint, without a model, those tensors count that are named as torch does.

    Raises ConfigError where the weights have running statistics and it isn't said what becomes of
    them, or what is given doesn't fit; CheckpointError where they aren't the model's.
    """

    def __init__(
        self,
        weights: Checkpoint,
        *,
        model: nn.Module | None = None,
        batches: Batches | None = None,
        mode: Mode = "refresh",
    ) -> None:
        if mode not in get_args(Mode):
            allowed = ", ".join(get_args(Mode))
            raise ConfigError(f"batch_norm = {files.shown(mode)}: allowed: {allowed}")
        self._model = None if model is None else copy.deepcopy(unwrapped(model))
        if self._model is not None:
            load_into(self._model, weights.tensors)
        super().__init__(_names(weights, self._model), mode)
        self._batches = batches
        self.can_refresh = self._model is not None and batches is not None
        if batches is not None and self._model is None:
            raise ConfigError(
                "refresh: needs the model too; allowed: with model=, the module that the weights "
                "belong to"
            )
        if batches is not None and not callable(batches) and iter(batches) is batches:
            raise ConfigError(
                "refresh: can be gone through once; allowed: a list of batches, or a function that "
                "gives them anew, as lambda: (images for images, _ in loader)"
            )
        if self.there and mode == "refresh" and not self.can_refresh:
            raise ConfigError(
                f"the weights have running statistics ({self.names[0]}), which averaging makes "
                "no one's; allowed: refresh=, batches of training inputs, and model=, the module, "
                'to compute each average\'s own, or batch_norm="average" or "last" '
                "(docs/batch_norm.md)"
            )

    def computed(self, weights: Checkpoint) -> Mapping[str, Tensor]:
        if self._model is None or self._batches is None:
            raise ConfigError("refresh: not given; allowed: with refresh= and model=")
        load_into(self._model, weights.tensors)
        with random_states(SEED):
            try:
                refresh(self._model, self._on_device())
            except (ValueError, TypeError) as error:
                raise ConfigError(f"refresh: {error}") from error
        return self._model.state_dict()

    def _on_device(self) -> Iterator[Tensor]:
        assert self._model is not None
        assert self._batches is not None
        device = next(iter(self._model.state_dict().values())).device
        for batch in self._batches() if callable(self._batches) else self._batches:
            yield batch.to(device) if isinstance(batch, Tensor) else batch


def _names(weights: Checkpoint, model: nn.Module | None) -> list[str]:
    if model is not None:
        return statistics(model)
    return [name for name in weights.tensors if name.rpartition(".")[2] in STATISTICS]
