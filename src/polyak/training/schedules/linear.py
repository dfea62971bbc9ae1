"""A learning rate that falls in a line, at once or after a part that is constant."""

from dataclasses import dataclass
from typing import ClassVar

from polyak.parameters import Share


@dataclass(frozen=True)
class Linear:
    """1 for the share `start` of all epochs, then in a line towards `minimum`, which the epoch
    after the last would have.

    With `start` above 0 it is a constant rate with a cooldown (Zhai et al. 2022,
    https://arxiv.org/abs/2106.04560; Hägele et al. 2024, https://arxiv.org/abs/2405.18392). Epoch e
    has factor(e); with `start` 0, the values of torch's LinearLR.
    """

    depends_on_epochs: ClassVar[bool] = True
    start: Share = 0.0
    minimum: Share = 0.0

    def factor(self, epoch: float, epochs: int) -> float:
        start = self.start * epochs
        if epoch <= start:
            return 1.0
        time = (epoch - start) / (epochs - start)
        return (1 - time) + time * self.minimum
