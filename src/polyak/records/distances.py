"""distances.csv: how far apart a run's checkpoints and their average are.

TABLE.by_column(run / TABLE.name)
"""

from dataclasses import dataclass
from typing import Literal

from polyak.records.part import Cosine, Epoch, NotNegative
from polyak.records.table import Table


@dataclass(frozen=True)
class Row:
    """As `polyak.weights.distances` computes it."""

    first: Epoch
    second: Epoch | Literal["average"]
    distance: NotNegative
    cosine: Cosine | None
    displacement_cosine: Cosine | None


TABLE = Table(
    Row,
    "distances.csv",
    "repeat python -m polyak distances",
    fits=lambda first, second, *_: second == "average" or first < second,
)
