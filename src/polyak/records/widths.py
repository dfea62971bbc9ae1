"""widths.csv: averages of every width that end where a run's window ends.

TABLE.read(run / TABLE.name)
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from polyak.records.part import Fraction, Loss, Split
from polyak.records.table import ByMetric, Scored, Table

Kind = Literal["uniform", "ema"]
Width = Annotated[float, Field(gt=0, le=2**40)]


@dataclass(frozen=True)
class Row(Scored):
    """One average on one split. `steps`: the window's length or the EMA's half-life; `share`: the
    same as a fraction of the training; loss in nats, accuracy a fraction."""

    kind: Kind
    steps: Width
    share: Annotated[float, Field(gt=0, le=1)]
    split: Split
    loss: Loss
    accuracy: Fraction


@dataclass(frozen=True)
class MetricRow(ByMetric, Row):
    """The same, by another primary metric."""


def table_of(metric: str) -> Table[Row]:
    """By the primary metric's name."""
    return Table(
        Row if metric == "accuracy" else MetricRow,
        "widths.csv",
        "move the file away, and repeat python -m polyak widths",
    )


TABLE = table_of("accuracy")
