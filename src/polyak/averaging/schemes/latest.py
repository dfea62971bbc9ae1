"""The window's last checkpoints alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from polyak.averaging.scheme import Intervals, Scheme, Validation
from polyak.averaging.schemes.uniform import Uniform
from polyak.parameters import Count


@dataclass(frozen=True)
class Latest(Scheme):
    """The last `k`, all the same (LAWA: Kaddour 2022, https://arxiv.org/abs/2209.14981). A window
    of fewer than `k` counts whole."""

    k: Count

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        return [int(place >= len(epochs) - self.k) for place in range(len(epochs))]

    def over_steps(self, intervals: Intervals) -> Sequence[float]:
        counted = self.weights(range(len(intervals.steps)))
        each = Uniform().over_steps(intervals)
        return [weight * one for weight, one in zip(counted, each, strict=True)]
