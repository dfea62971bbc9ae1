"""The exponential moving average over steps, of any width, after the training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from polyak.averaging.scheme import Intervals, Scheme, Validation
from polyak.parameters import Interpolation, Positive


@dataclass(frozen=True)
class Ema(Scheme):
    """The recursion mean = decay * mean + (1 - decay) * weights after every step of the window,
    from zero, over its total weight (as Adam corrects its beginning): a step counts `decay` times
    as much as the next one, and half as much as that `half_life` steps later. Exactly one of them.

    Made of step means, each with the sum of its steps' weights: docs/averaging.md has how close
    that is, which is `deviation` times how far the weights move within an interval. EMAs of
    training: Tarvainen and Valpola 2017, https://arxiv.org/abs/1703.01780; Morales-Brotons et al.
    2024, https://arxiv.org/abs/2411.18704.
    """

    decay: Interpolation | None = None
    half_life: Positive | None = None
    needs_steps: ClassVar[bool] = True

    @property
    def description(self) -> str:
        if self.half_life is None:
            return f"ema, decay {self.decay}"
        return f"ema, half-life {self.half_life:g} steps"

    @property
    def rate(self) -> float:
        """The natural logarithm of the decay per step. Raises ValueError for none or two."""
        if (self.decay is None) == (self.half_life is None):
            raise ValueError(
                f"decay = {self.decay}, half_life = {self.half_life}: allowed: exactly one of "
                "decay (per step) and half_life (in steps), the other null"
            )
        rate = math.log(self.decay) if self.decay else -math.log(2) / (self.half_life or 1)
        if rate == -math.inf:
            raise ValueError(f"half_life = {self.half_life}: allowed: from 1e-300")
        return rate

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        raise ValueError("_target_: ema weights steps; allowed: averaging.of=steps")

    def over_steps(self, intervals: Intervals) -> Sequence[float]:
        return intervals.decayed(self.rate)

    def check(self, intervals: Intervals) -> None:
        half_life = -math.log(2) / self.rate
        if half_life > intervals.span:
            given = f"half_life = {self.half_life:g}" if self.half_life else f"decay = {self.decay}"
            raise ValueError(
                f"{given}: a half-life of {half_life:.4g} steps is longer than the window, of "
                f"{intervals.span}; allowed: a shorter one, an earlier averaging.start, or "
                "averaging=uniform, which such an average is close to"
            )

    def deviation(self, length: int) -> float:
        """The sum over the steps of an interval of |share - 1 / length|, where shares are those of
        its steps in its weight: at most how far the interval's part of the average is from the
        recursion's, over the largest distance of its steps' weights from any one point."""
        total = sum(math.exp(self.rate * age) for age in range(length))
        shares = (math.exp(self.rate * age) / total for age in range(length))
        return math.fsum(abs(share - 1 / length) for share in shares)
