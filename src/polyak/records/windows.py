"""windows.csv: every window of a run, averaged and evaluated.

TABLE.read(run / TABLE.name)
"""

from dataclasses import dataclass

from polyak.records.part import Epoch, Fraction, Loss, Number, Split
from polyak.records.table import ByMetric, Scored, Table


@dataclass(frozen=True)
class Row(Scored):
    """The uniform average of epochs `start` to `end` - 1 on one split: loss in nats, accuracy a
    fraction."""

    start: Epoch
    end: Epoch
    count: Number
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
        "windows.csv",
        "move the file away, and repeat python -m polyak windows",
        fits=lambda start, end, count, *_: count == end - start,
    )


TABLE = table_of("accuracy")
