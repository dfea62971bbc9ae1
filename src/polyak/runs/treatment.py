"""What becomes of batch norm's running statistics in averages, however they are computed.

    treatment.of_average(mean, last=run / "checkpoints/epoch_019.safetensors")
    treatment.refreshed(checkpoint)      # any weights, with statistics of their own

Statistics that were averaged like weights are no one's: docs/batch_norm.md.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint

Mode = Literal["refresh", "average", "last"]


class Treatment(ABC):
    """The statistics of averages, whose `names` are those in the state dict: computed anew for
    their weights ("refresh"), averaged like weights ("average"), or those of the window's last
    checkpoint ("last"). Without any names, every average stays as it is."""

    def __init__(self, names: Sequence[str], mode: Mode) -> None:
        self.names, self.mode, self.can_refresh = list(names), mode, True
        self.seconds = 0.0
        """What computing them has taken so far."""

    @property
    def there(self) -> bool:
        """Whether the model has any."""
        return bool(self.names)

    @property
    def words(self) -> str:
        """The mode, for titles."""
        kinds = {"refresh": "refreshed", "average": "averaged", "last": "its last checkpoint's"}
        return kinds[self.mode]

    def of_average(self, average: Checkpoint, last: Path) -> Checkpoint:
        """An average with its statistics by the mode; `last` is the window's last checkpoint."""
        if not self.names or self.mode == "average":
            return average
        if self.mode == "refresh":
            return self.refreshed(average)
        found = checkpoint.load(last).tensors
        if missing := [name for name in self.names if name not in found]:
            raise CheckpointError(f"not this model's weights (no {missing[0]})")
        return _with(average, {name: found[name] for name in self.names})

    def refreshed(self, weights: Checkpoint) -> Checkpoint:
        """The weights with statistics that are computed for them, whatever the mode. Raises
        CheckpointError where they are another model's."""
        if not self.names:
            return weights
        began = time.perf_counter()
        state = self.computed(weights)
        found = {name: state[name].detach().to("cpu", copy=True) for name in self.names}
        self.seconds += time.perf_counter() - began
        return _with(weights, found)

    @abstractmethod
    def computed(self, weights: Checkpoint) -> Mapping[str, Tensor]:
        """A state dict whose statistics are computed for the weights."""


def _with(weights: Checkpoint, found: dict[str, Tensor]) -> Checkpoint:
    """The weights with these tensors in place of theirs; what was one tensor stays one."""
    tensors = weights.tensors | found
    for group in weights.tied:
        tensors |= dict.fromkeys(group, tensors[group[0]])
    return replace(weights, tensors=tensors)
