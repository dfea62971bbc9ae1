"""Weights that grow as a power of the training time."""

from collections.abc import Sequence
from dataclasses import dataclass

from polyak.averaging.scheme import Intervals, Scheme, Validation
from polyak.parameters import Exponent


@dataclass(frozen=True)
class Power(Scheme):
    """The power-function EMA with exponent `gamma`: weight grows as t ** gamma with training time.

    With t counted in epochs (or steps) from 1, these are the weights of the recursion with
    beta_t = (1 - 1/t) ** (gamma + 1) (Karras et al. 2024, https://arxiv.org/abs/2312.02696), for
    any window of it: t ** (gamma + 1) - (t - 1) ** (gamma + 1). gamma = 0 is uniform.
    """

    gamma: Exponent

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        if self.gamma == 0:
            return [1] * len(epochs)
        end, exponent = epochs[-1] + 1, self.gamma + 1
        return [((epoch + 1) / end) ** exponent - (epoch / end) ** exponent for epoch in epochs]

    def over_steps(self, intervals: Intervals) -> Sequence[float]:
        if self.gamma == 0:
            return intervals.lengths
        end, exponent = intervals.steps[-1].stop, self.gamma + 1
        return [(s.stop / end) ** exponent - (s.start / end) ** exponent for s in intervals.steps]
