"""What a scheme is: how the checkpoints, or step means, of a window are weighted.

    scheme.weights(range(10, 20))   # one weight per epoch of the window, in order
    scheme.over_steps(Intervals([range(0, 50), range(50, 78)], per_epoch=78, means=True))
    scheme.description              # "exponential, decay 0.8"

A new one is one file in `schemes/` and one in `conf/averaging/`: docs/extending.md.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol


class Validation(Protocol):
    """A window's checkpoints on the validation split: accuracies as fractions, or another metric
    that they are compared by, its negative where less of it is better."""

    @property
    def accuracies(self) -> Sequence[float]:
        """Of each checkpoint alone."""

    def accuracy_of(self, weights: Sequence[float]) -> float:
        """Of the average with these weights, one per checkpoint."""


@dataclass(frozen=True)
class Intervals:
    """What a window holds that was recorded between epochs' ends: for each interval of `steps`, in
    order, the checkpoint at its end or, with `means`, the mean of the weights after each of its
    steps. `per_epoch`: how many steps an epoch has."""

    steps: Sequence[range]
    per_epoch: int
    means: bool

    @property
    def ages(self) -> list[int]:
        """Steps from each interval's end to the window's."""
        return [self.steps[-1].stop - one.stop for one in self.steps]

    @property
    def lengths(self) -> list[int]:
        """Steps in each."""
        return [len(one) for one in self.steps]

    @property
    def span(self) -> int:
        """Steps from the window's start to its end."""
        return self.steps[-1].stop - self.steps[0].start

    def decayed(self, rate: float) -> list[float]:
        """exp(rate * age) for checkpoints, ages in steps; for step means, its sums over their
        steps, up to a factor that all have. `rate` is 0 or negative."""
        weights = [math.exp(rate * age) for age in self.ages]
        if not self.means:
            return weights
        sums = [-math.expm1(rate * one) if rate else float(one) for one in self.lengths]
        return [weight * of_steps for weight, of_steps in zip(weights, sums, strict=True)]

    def first(self, count: int) -> "Intervals":
        """The first `count` of them."""
        return Intervals(self.steps[:count], self.per_epoch, self.means)


class Scheme(ABC):
    """Base of all schemes, which are frozen dataclasses of their parameters.

    Weights need not sum to one: the mean divides by their sum. They are integers where they can be,
    so that this one division is exact in them.
    """

    running: ClassVar[bool] = True
    """Whether the beginning of a window has weights of its own, for an average that grows."""
    needs_validation: ClassVar[bool] = False
    needs_steps: ClassVar[bool] = False
    """Whether it weights steps, so that it needs their means."""

    @property
    def name(self) -> str:
        """ "uniform"."""
        return type(self).__name__.lower()

    @property
    def description(self) -> str:
        """Name and parameters: "uniform", "exponential, decay 0.8"."""
        return ", ".join([self.name, *(f"{key} {value}" for key, value in vars(self).items())])

    @abstractmethod
    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        """Weights of the checkpoints of zero-based `epochs`: not negative, not all zero.

        `validation` is given where the scheme needs it. Raises ValueError where the scheme does not
        fit the window.
        """

    def over_steps(self, intervals: Intervals) -> Sequence[float]:
        """Weights of what was recorded between epochs' ends: not negative, not all zero; those of
        step means are the sums of their steps' weights.

        Raises ValueError, which begins with a parameter's name, where the scheme does not fit; as
        here, where it has no such weights.
        """
        raise ValueError(
            f"_target_: {self.name} weights epochs' checkpoints alone; allowed: recording=epochs "
            "and averaging.of=checkpoints"
        )

    def check(self, intervals: Intervals) -> None:  # noqa: B027  most have nothing to say
        """Raise ValueError, as `over_steps` does, where a whole window is none for the scheme."""
