"""windows.csv: every window of a run, averaged and evaluated.

TABLE.read(run / TABLE.name)
"""

from dataclasses import dataclass

from polyak.records.part import Epoch, Fraction, Loss, Number, Split
from polyak.records.table import Table


@dataclass(frozen=True)
class Row:
    """The uniform average of epochs `start` to `end` - 1 on one split: loss in nats, accuracy a
    fraction."""

    start: Epoch
    end: Epoch
    count: Number
    split: Split
    loss: Loss
    accuracy: Fraction


TABLE = Table(
    Row,
    "windows.csv",
    "move the file away, and repeat python -m polyak windows",
    fits=lambda start, end, count, *_: count == end - start,
)
