"""The weights given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from polyak.averaging.scheme import Intervals, Scheme, Validation
from polyak.parameters import Weights


@dataclass(frozen=True)
class Explicit(Scheme):
    """One weight per checkpoint of the window; they sum to one."""

    values: Weights
    running: ClassVar[bool] = False

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        if len(self.values) != len(epochs):
            raise ValueError(
                f"values: {len(self.values)} weights; allowed: {len(epochs)}, one per checkpoint "
                "of the window"
            )
        return self.values

    def over_steps(self, intervals: Intervals) -> Sequence[float]:
        return self.weights(range(len(intervals.steps)))
