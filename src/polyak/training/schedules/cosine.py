"""Half a cosine from 1 downwards (SGDR without restarts)."""

import math
from dataclasses import dataclass
from typing import ClassVar

from polyak.parameters import Share


@dataclass(frozen=True)
class Cosine:
    """From 1 in epoch 0 towards `minimum`, which the epoch after the last would have.

    Loshchilov and Hutter 2017 (https://arxiv.org/abs/1608.03983). Once per epoch: the values of
    torch's CosineAnnealingLR with T_max = epochs. Within an epoch it falls on.
    """

    depends_on_epochs: ClassVar[bool] = True
    minimum: Share = 0.0

    def factor(self, epoch: float, epochs: int) -> float:
        return self.minimum + (1 - self.minimum) * (1 + math.cos(math.pi * epoch / epochs)) / 2
