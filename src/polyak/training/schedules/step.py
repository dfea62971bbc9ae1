"""A learning rate that falls in steps."""

from dataclasses import dataclass
from typing import ClassVar

from polyak.parameters import Count, PositiveShare


@dataclass(frozen=True)
class Step:
    """Multiplied by `gamma` after every `every` epochs, as torch's StepLR: within an epoch it stays
    as it is."""

    depends_on_epochs: ClassVar[bool] = False
    every: Count = 10
    gamma: PositiveShare = 0.1

    def factor(self, epoch: float, epochs: int) -> float:
        factor: float = self.gamma ** (epoch // self.every)
        return factor
