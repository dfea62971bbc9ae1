"""path.csv: loss and accuracy along a run's path and over its plane.

TABLE.read(run / TABLE.name)
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from polyak.records.part import Coordinate, Fraction, Loss, Split
from polyak.records.table import Table

Key = tuple[str, str, float | None, float | None]


@dataclass(frozen=True)
class Row:
    """A point on one split: `x` and `y` in the unit of the weights, their fractions as
    `polyak.maps.path.Point` has them; loss in nats, accuracy a fraction. `name` is empty where the
    run has no such weights."""

    which: Literal["line", "plane"]
    name: Annotated[str, Field(pattern="^(first|middle|last|average|projection)?$")]
    x: Coordinate
    y: Coordinate
    x_fraction: Coordinate
    y_fraction: Coordinate
    split: Split
    loss: Loss
    accuracy: Fraction

    @property
    def key(self) -> Key:
        """Its point's."""
        return key(self.which, self.name, self.x_fraction, self.y_fraction)


def key(which: str, name: str, x: float, y: float) -> Key:
    """A point that the run has is known by its name: its fractions are computed, and may differ in
    the last bits with the number of threads."""
    return (which, name, None, None) if name else (which, name, x, y)


TABLE = Table(Row, "path.csv", "move the file away, and repeat python -m polyak path")
