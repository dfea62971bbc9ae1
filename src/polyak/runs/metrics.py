"""metrics.csv is written: one row per epoch. Needs no torch.

write_metrics(run / "metrics.csv", records)
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polyak import files
from polyak.evaluation.scores import Scores
from polyak.records.metrics import COLUMNS
from polyak.store.record import EpochRecord

SHORT = {"validation": "val", "test": "test"}
"""Split names as they are in the columns of metrics.csv."""


@dataclass(frozen=True)
class AverageUpTo:
    """The average of the `count` checkpoints up to and including zero-based `epoch`."""

    epoch: int
    count: int
    scores: Mapping[str, Scores]


def write_metrics(
    path: Path, records: Sequence[EpochRecord], averages: Sequence[AverageUpTo] = ()
) -> None:
    """Write metrics.csv, atomically: one row per epoch, with the averages in their epochs' rows.
    What isn't known is left empty; metrics of a run's own are further columns."""
    rows = {record.training.epoch: row_of(record) for record in records}
    for average in averages:
        rows[average.epoch] |= {
            "average_count": average.count,
            **_columns("average_", average.scores),
        }
    others = dict.fromkeys(name for row in rows.values() for name in row if name not in COLUMNS)
    with files.atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *others], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


def add_metrics(path: Path, record: EpochRecord) -> None:
    """Add an epoch's row to a metrics.csv that `write_metrics` has written with the same columns: a
    kill may leave the last line cut, which readers leave out."""
    with path.open("a", newline="") as file:
        csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(row_of(record))


def row_of(record: EpochRecord) -> dict[str, float]:
    """What is known of an epoch, by column."""
    trained = record.training
    said = {
        "epoch": trained.epoch,
        "lr": trained.lr,
        "train_loss": trained.loss,
        "train_accuracy": trained.accuracy,
        "seconds": trained.seconds,
    }
    known = {name: value for name, value in said.items() if not math.isnan(value)}
    return known | _columns("", record.scores)


def _columns(prefix: str, scores: Mapping[str, Scores]) -> dict[str, float]:
    return {
        f"{prefix}{SHORT[split]}_{what}": value
        for split, score in scores.items()
        for what, value in score.by_name.items()
        if what != "calibration_error"
    }
