"""The path of a run's weights: the line from its first averaged checkpoint through the average to
its last, and the plane through its first, middle and last.

    landscape = Landscape.of(run, window=range(10, 20))
    points = landscape.line(points=11, margin=0.3) + landscape.grid(count=9, margin=0.3)
    landscape.weights(points[0])                        # a Checkpoint

Lines from an average through a checkpoint and planes through three weights: Izmailov et al. 2018,
https://arxiv.org/abs/1803.05407, section 3; planes: Garipov et al. 2018,
https://arxiv.org/abs/1802.10026.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np

from polyak.averaging.affine import Affine
from polyak.errors import PolyakError
from polyak.naming import epochs_of
from polyak.store import paths
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.plane import Place, Plane, distance, same

ENDS = ("first", "last")
CORNERS = ("first", "middle", "last")

POINTS, GRID, MARGIN = (2, 1001), (3, 201), (0.0, 5.0)
"""The ranges of what can be asked for."""


class Point(NamedTuple):
    """A point of the line or the plane, with a `name` where it is one that the run has.

    `x` and `y` are fractions. On the line `x` is 0 at the average, -1 at the first checkpoint and 1
    at the last, and `y` is 0. In the plane both are as `Plane.shares` takes them.
    """

    which: Literal["line", "plane"]
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Landscape:
    """What a run's line and plane are made of. `epochs` are those of the first, middle and last
    checkpoint of the window; `lengths` the distances of first and last from the average, in the
    unit of the weights, without one that is the average; `plane` is None where there is none;
    `projection` is the average's place in it."""

    epochs: dict[str, int]
    affine: Affine
    lengths: dict[str, float]
    plane: Plane | None
    projection: Place | None

    @classmethod
    def of(cls, run: Path, window: range) -> Self:
        """That of a run's directory and its window. The running statistics of norms are no
        coordinates of weights.

        Raises PolyakError where there is no line, CheckpointError where a file is missing,
        corrupted or of another model.
        """
        if len(window) < 2:
            raise PolyakError(
                f"{run}: averages one checkpoint, epoch {window[0]}, through which there is no "
                "line; allowed: a run that averages two or more"
            )
        epochs = dict(zip(CORNERS, (window[0], window[len(window) // 2], window[-1]), strict=True))
        files = {name: paths.checkpoint(run, epoch) for name, epoch in epochs.items()}
        files["average"] = paths.average(run)
        found = {name: checkpoint.load(path) for name, path in files.items()}
        sources = {name: str(path) for name, path in files.items()}
        affine = Affine(found, kept="last", sources=sources)
        names = affine.layout.weights
        states = {name: one.tensors for name, one in found.items()}
        average = states["average"]
        lengths = {
            end: distance(states[end], average, names)
            for end in ENDS
            if not same(states[end], average, names)
        }
        if not lengths:
            raise PolyakError(
                f"{run}: the average of {epochs_of(window)} has the weights of both its first and "
                "its last checkpoint: there is no line"
            )
        plane = Plane.through(states["first"], states["middle"], states["last"], names)
        projection = plane.place(average) if plane else None
        return cls(epochs, affine, lengths, plane, projection)

    @property
    def without_plane(self) -> str:
        """Why there is no plane; "" where there is one."""
        if self.plane:
            return ""
        first, middle, last = self.epochs.values()
        if middle in (first, last):
            return f"no plane: the window has two checkpoints, epochs {first} and {last}"
        return f"no plane: epochs {first}, {middle} and {last} lie on one line"

    def line(self, points: int, margin: float) -> list[Point]:
        """The line, from before the first checkpoint to beyond the last: `points` at equal steps
        from the average to each of them, both included, and on at these steps by `margin`, a share
        of that distance. More points at a divisor of the step have all of these among them.

        Raises PolyakError for numbers out of range.
        """
        _check("--points", points, POINTS)
        _check("--margin", margin, MARGIN)
        steps = points - 1
        reach = math.floor((1 + margin) * steps + 1e-9)  # 1.1 x 10 is above 11, 1.15 x 20 below 23
        places = range(
            -reach if "first" in self.lengths else 0, reach + 1 if "last" in self.lengths else 1
        )
        named = {0: "average", -steps: "first", steps: "last"}
        return [Point("line", named.get(step, ""), step / steps, 0.0) for step in places]

    def grid(self, count: int, margin: float) -> list[Point]:
        """The plane: its named points, and a grid of `count` x `count` over all of them and on by
        `margin` on each side, a share of the larger of width and height. [] where there is no
        plane.

        Raises PolyakError for numbers out of range.
        """
        _check("--grid", count, GRID)
        _check("--margin", margin, MARGIN)
        if self.plane is None or self.projection is None:
            return []
        corners = zip(CORNERS, ((0.0, 0.0), (self.plane.lean, 1.0), (1.0, 0.0)), strict=True)
        marks = [Point("plane", name, x, y) for name, (x, y) in corners]
        marks.append(Point("plane", "projection", self.projection.x, self.projection.y))
        beyond = margin * max(self.plane.width, self.plane.height)
        columns = _ticks([mark.x for mark in marks], count, beyond / self.plane.width)
        rows = _ticks([mark.y for mark in marks], count, beyond / self.plane.height)
        return marks + [Point("plane", "", x, y) for y in rows for x in columns]

    def weights(self, point: Point) -> Checkpoint:
        """The weights at a point; at one that the run has, its bits. Integer and boolean tensors
        are the last checkpoint's; batch norm's statistics are mixed like weights."""
        if point.which == "line":
            share = abs(point.x)
            end = "first" if point.x < 0 else "last"
            return self.affine.point({"average": 1 - share, end: share})
        return self.affine.point(
            dict(zip(CORNERS, self._plane.shares(point.x, point.y), strict=True))
        )

    def distances(self, which: str, x: float, y: float) -> tuple[float, float]:
        """Those fractions in the unit of the weights: from the average along the line, negative
        towards the first checkpoint; from the first checkpoint in the plane. Raises KeyError where
        there is no such line or plane."""
        if which == "line":
            return (x * self.lengths["first" if x < 0 else "last"] if x else 0.0), 0.0
        return x * self._plane.width, y * self._plane.height

    @property
    def _plane(self) -> Plane:
        if self.plane is None:
            raise KeyError("plane")
        return self.plane


def _check(option: str, value: float, allowed: tuple[float, float]) -> None:
    low, high = allowed
    if not low <= value <= high:
        raise PolyakError(f"{option} {value}: allowed: from {low} to {high}")


def _ticks(values: Sequence[float], count: int, beyond: float) -> list[float]:
    """`count` equal steps over the `values` and `beyond`. They are decimals, so that another number
    of threads, which changes the last bits of the values, doesn't move them."""
    low = math.floor(100 * (min(values) - beyond)) / 100
    high = math.ceil(100 * (max(values) + beyond)) / 100
    return [round(float(tick), 6) for tick in np.linspace(low, high, count)]
