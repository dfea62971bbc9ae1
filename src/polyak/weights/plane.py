"""The plane through three weights: where any weights lie in it, and what mixes its points.

    plane = Plane.through(first, middle, last, names)   # of state dicts; None: on one line
    plane.place(average)                                # Place(x=0.48, y=0.31, away=1.7)
    plane.shares(0.48, 0.31)                            # of first, middle and last: sum to 1

As Garipov et al. 2018 (https://arxiv.org/abs/1802.10026) and Izmailov et al. 2018
(https://arxiv.org/abs/1803.05407) draw losses: the origin is the first, one axis points to the
last, the other, by Gram-Schmidt, to the middle one. All sums are in float64.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

State = Mapping[str, Tensor]


class Place(NamedTuple):
    """Fractions of a plane's `width` and `height` from its first weights, and how far `away` from
    the plane, in the unit of the weights."""

    x: float
    y: float
    away: float


@dataclass(frozen=True)
class Plane:
    """The plane through three weights, of which the tensors `names` are the coordinates.

    `width` is the distance from the first to the last and `height` that of the middle one from the
    line through both, in the unit of the weights; `lean` is where on that line, as a fraction of
    the width, the middle one has its foot. So the three lie at the fractions (0, 0), (`lean`, 1)
    and (1, 0).
    """

    first: State
    middle: State
    last: State
    names: Sequence[str]
    width: float
    height: float
    lean: float

    @classmethod
    def through(cls, first: State, middle: State, last: State, names: Sequence[str]) -> Self | None:
        """The plane; None where the three lie on one line, or so near to one that rounding the
        weights to their dtype moves them as far."""
        width = distance(first, last, names)
        limit = max(_rounding(one, names) for one in (first, middle, last))
        if width <= limit:
            return None
        sides = [(_apart(last, first, name), _apart(middle, first, name)) for name in names]
        lean = math.fsum(_dot(*pair) for pair in sides) / width**2
        height = _length(side - lean * along for along, side in sides)
        if height <= max(limit, limit * abs(lean)):
            return None
        return cls(first, middle, last, tuple(names), width, height, lean)

    def place(self, weights: State) -> Place:
        """The point of the plane that is nearest to the `weights`."""
        x = math.fsum(_dot(offset, one) for offset, one, _ in self._parts(weights)) / self.width**2
        y = math.fsum(_dot(offset, two) for offset, _, two in self._parts(weights)) / self.height**2
        rest = (offset - x * one - y * two for offset, one, two in self._parts(weights))
        return Place(x, y, _length(rest))

    def _parts(self, weights: State) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Of each tensor: the weights from the first, and both axes at their full lengths."""
        for name in self.names:
            one = _apart(self.last, self.first, name)
            two = _apart(self.middle, self.first, name) - self.lean * one
            yield _apart(weights, self.first, name), one, two

    def shares(self, x: float, y: float) -> tuple[float, float, float]:
        """How much of first, middle and last is in the point at these fractions: beyond the
        triangle of the three some are negative. At the three themselves, exactly 1, 0 and 0."""
        of_last = x - self.lean * y
        return 1 - (y + of_last), y, of_last


def distance(one: State, other: State, names: Sequence[str]) -> float:
    """Euclidean distance, in the unit of the weights, over the tensors `names`."""
    return _length(_apart(one, other, name) for name in names)


def same(one: State, other: State, names: Sequence[str]) -> bool:
    """Whether they are no further apart than rounding to their dtype may move them."""
    return distance(one, other, names) <= max(_rounding(one, names), _rounding(other, names))


def _rounding(weights: State, names: Sequence[str]) -> float:
    """A bound, with room, on how far rounding moves weights: eight units in the last place."""
    units = (8 * torch.finfo(weights[name].dtype).eps for name in names)
    return math.hypot(
        *(unit * _length([weights[name]]) for unit, name in zip(units, names, strict=True))
    )


def _apart(one: State, other: State, name: str) -> Tensor:
    """float64 [entries]: one tensor's difference."""
    return (one[name].to(torch.float64) - other[name].to(torch.float64)).flatten()


def _dot(one: Tensor, other: Tensor) -> float:
    return float(torch.dot(one, other))


def _length(parts: Iterable[Tensor]) -> float:
    return math.hypot(*(float(part.to(torch.float64).norm()) for part in parts))
