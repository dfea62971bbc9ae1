"""Weights that stand in for a decay of the learning rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from polyak.averaging.scheme import Intervals, Scheme, Validation


@dataclass(frozen=True)
class Ramp(Scheme):
    """Weights that make up for a learning rate decayed to zero over the window, by
    warmup-stable-merge (Tian et al. 2025, https://arxiv.org/abs/2507.17634).

    An average sum(c_j theta_j) adds to the window's first checkpoint each later update g_i times
    the sum of c_j over j >= i. For these sums to follow a decay D from 1 to 0 over a window of n,
    c_j = D(j / n) - D((j + 1) / n). "linear" gives the uniform average; "one_minus_sqrt" counts the
    first checkpoints more.
    """

    decay: Literal["linear", "one_minus_sqrt"]

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        count = len(epochs)
        if self.decay == "linear":
            return [1] * count
        return [math.sqrt((j + 1) / count) - math.sqrt(j / count) for j in range(count)]

    def over_steps(self, intervals: Intervals) -> Sequence[float]:
        if self.decay == "linear":
            return intervals.lengths
        begin, span = intervals.steps[0].start, intervals.span
        return [
            math.sqrt((one.stop - begin) / span) - math.sqrt((one.start - begin) / span)
            for one in intervals.steps
        ]
