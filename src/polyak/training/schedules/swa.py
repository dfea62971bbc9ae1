"""Down to a constant learning rate, at which weights are averaged."""

from dataclasses import dataclass
from typing import ClassVar

from polyak.parameters import Count, LearningRate


@dataclass(frozen=True)
class SWA:
    """`lr` for the first half of `start` epochs, then falling in a line to `swa_lr`, which is
    reached at 90 % of them and kept. From epoch `start` on, weights are averaged.

    The schedule of Izmailov et al. 2018 (https://arxiv.org/abs/1803.05407) as its authors' code has
    it (github.com/timgaripov/swa). `lr` is the optimizer's: the factor is relative to it. Epoch e
    has factor(e). Raises ValueError where swa_lr is above lr.
    """

    depends_on_epochs: ClassVar[bool] = False
    start: Count
    swa_lr: LearningRate
    lr: LearningRate

    def __post_init__(self) -> None:
        if self.swa_lr > self.lr:
            raise ValueError(f"swa_lr = {self.swa_lr:g}: allowed: at most lr = {self.lr:g}")

    def check(self, epochs: int) -> None:
        """Raises ValueError where it doesn't fit a training of `epochs`."""
        if self.start > epochs:
            raise ValueError(f"start = {self.start}: allowed: at most training.epochs = {epochs}")

    def factor(self, epoch: float, epochs: int) -> float:
        time, lowest = epoch / self.start, self.swa_lr / self.lr
        if time <= 0.5:
            return 1.0
        if time <= 0.9:
            fallen = (time - 0.5) / 0.4
            return (1 - fallen) + fallen * lowest
        return lowest
