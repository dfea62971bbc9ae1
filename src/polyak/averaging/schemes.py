"""Schemes: how the checkpoints of a window are weighted.

    Uniform().weights(10)  # [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]

A scheme gives one weight for each checkpoint of the window, in epoch order, and integers where it
can, so that the mean's one division is exact in them. To add one, see docs/extending.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Scheme(Protocol):
    """What an averaging scheme must offer."""

    name: str

    def weights(self, count: int) -> Sequence[float]:
        """Weights of a window of `count` checkpoints: not negative, not all zero."""


@dataclass(frozen=True)
class Uniform:
    """Every checkpoint counts the same (SWA: Izmailov et al. 2018, arXiv:1803.05407)."""

    name: str = "uniform"

    def weights(self, count: int) -> Sequence[float]:
        return [1] * count
