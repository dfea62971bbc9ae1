"""Every checkpoint of the window counts the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from polyak.averaging.scheme import Intervals, Scheme, Validation


@dataclass(frozen=True)
class Uniform(Scheme):
    """The plain mean (SWA: Izmailov et al. 2018, https://arxiv.org/abs/1803.05407)."""

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        return [1] * len(epochs)

    def over_steps(self, intervals: Intervals) -> Sequence[float]:
        return intervals.lengths if intervals.means else [1] * len(intervals.steps)
