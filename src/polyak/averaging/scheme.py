"""What a scheme is: how the checkpoints of a window are weighted.

    scheme.weights(range(10, 20))   # one weight per epoch of the window, in order
    scheme.description              # "exponential, decay 0.8"

A new one is one file in `schemes/` and one in `conf/averaging/`: docs/extending.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol


class Validation(Protocol):
    """A window's checkpoints on the validation split: accuracies as fractions."""

    @property
    def accuracies(self) -> Sequence[float]:
        """Of each checkpoint alone."""

    def accuracy_of(self, weights: Sequence[float]) -> float:
        """Of the average with these weights, one per checkpoint."""


class Scheme(ABC):
    """Base of all schemes, which are frozen dataclasses of their parameters.

    Weights need not sum to one: the mean divides by their sum. They are integers where they can be,
    so that this one division is exact in them.
    """

    running: ClassVar[bool] = True
    """Whether the beginning of a window has weights of its own, for an average that grows."""
    needs_validation: ClassVar[bool] = False

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
