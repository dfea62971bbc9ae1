"""Learning-rate schedules: the factor on the optimizer's lr, epoch by epoch.

    Cosine().factor(epoch=10, epochs=20)  # 0.5

They have no state: the factor follows from the epoch alone (and, where `depends_on_epochs`, from
the number of epochs planned), so a resumed training has the same learning rates.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol


class Schedule(Protocol):
    """What a schedule must offer."""

    depends_on_epochs: ClassVar[bool]

    def factor(self, epoch: int, epochs: int) -> float:
        """The factor on the learning rate in zero-based `epoch` of `epochs`."""


@dataclass(frozen=True)
class Constant:
    """The same learning rate in every epoch, as in the article."""

    depends_on_epochs: ClassVar[bool] = False

    def factor(self, epoch: int, epochs: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 in epoch 0 towards `minimum`, which the epoch after the last would have.

    Loshchilov and Hutter 2017 (SGDR, https://arxiv.org/abs/1608.03983) without restarts, one step
    an epoch: the values of torch's CosineAnnealingLR with T_max = epochs.
    """

    depends_on_epochs: ClassVar[bool] = True
    minimum: float = 0.0

    def factor(self, epoch: int, epochs: int) -> float:
        return self.minimum + (1 - self.minimum) * (1 + math.cos(math.pi * epoch / epochs)) / 2


@dataclass(frozen=True)
class Step:
    """Multiplied by `gamma` after every `every` epochs, as torch's StepLR."""

    depends_on_epochs: ClassVar[bool] = False
    every: int = 10
    gamma: float = 0.1

    def factor(self, epoch: int, epochs: int) -> float:
        return self.gamma ** (epoch // self.every)
