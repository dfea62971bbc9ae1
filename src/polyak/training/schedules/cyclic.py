"""A learning rate that falls and jumps up again, cycle by cycle."""

from dataclasses import dataclass
from typing import ClassVar

from polyak.parameters import Count, Epoch, LearningRate


@dataclass(frozen=True)
class Cyclic:
    """`lr` before epoch `start`, then cycles of `length` epochs, each falling in a line from below
    `lr` to `lowest`, which its last epoch has: where a cycle ends, weights are averaged.

    Izmailov et al. 2018 (https://arxiv.org/abs/1803.05407), section 3.1, with i in epochs: epoch i
    of a cycle, i = 1 to length, has (1 - t) lr + t lowest with t = i / length. A length of 1 is the
    constant `lowest`, as there. Taken per step, the rate falls through all epochs of a cycle but
    the last, which has `lowest` throughout. `lr` is the optimizer's: the factor is relative to it.
    Raises ValueError where lowest is above lr.
    """

    depends_on_epochs: ClassVar[bool] = False
    start: Epoch
    length: Count
    lowest: LearningRate
    lr: LearningRate

    def __post_init__(self) -> None:
        if self.lowest > self.lr:
            raise ValueError(f"lowest = {self.lowest:g}: allowed: at most lr = {self.lr:g}")

    def factor(self, epoch: float, epochs: int) -> float:
        if epoch < self.start:
            return 1.0
        time = min(1.0, ((epoch - self.start) % self.length + 1) / self.length)
        return (1 - time) + time * self.lowest / self.lr

    def check(self, epochs: int) -> None:
        """Raises ValueError where no cycle fits a training of `epochs`."""
        if not self.cycle_ends(epochs):
            raise ValueError(
                f"start = {self.start}, length = {self.length}: allowed: a cycle that ends within "
                f"training.epochs = {epochs}"
            )

    def cycle_ends(self, epochs: int) -> range:
        """The zero-based epochs that end a whole cycle, of `epochs`; each `length` after another.

        range(11, 20, 2) for 20 epochs with cycles of 2 from epoch 10 on.
        """
        return range(self.start + self.length - 1, epochs, self.length)
