"""The older a checkpoint, the less it counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from polyak.averaging.scheme import Intervals, Scheme, Validation
from polyak.parameters import PositiveShare


@dataclass(frozen=True)
class Exponential(Scheme):
    """A checkpoint counts `decay` times as much as one an epoch later: an exponential moving
    average over epochs, corrected for its beginning (Tarvainen and Valpola 2017,
    https://arxiv.org/abs/1703.01780; Morales-Brotons et al. 2024, https://arxiv.org/abs/2411.18704).
    """

    decay: PositiveShare

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        return [self.decay ** (epochs[-1] - epoch) for epoch in epochs]

    def over_steps(self, intervals: Intervals) -> Sequence[float]:
        return intervals.decayed(math.log(self.decay) / intervals.per_epoch)
