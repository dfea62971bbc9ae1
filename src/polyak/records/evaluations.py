"""What a recording keeps of evaluations by somebody's own function: scores.jsonl, evaluation.json.

scored, size = summed.read(recording / "evaluations" / key / evaluations.SCORES, Scored)
evaluations.Tables.read(recording)      # by what windows.csv and widths.csv were evaluated

Logits are kept as train.py's are, in files of their own; scores.jsonl has metrics, where the
function gives those in their place, a line per epoch. Before, it was a scores.json.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from polyak import files
from polyak.records import reading
from polyak.records.part import Epoch, MetricName, Name, Part, Sha256, Split
from polyak.records.summed import Line

SCORES, WHOLE, TABLES = "scores.jsonl", "scores.json", "evaluation.json"

Key = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Metrics = dict[Split, dict[MetricName, float]]


class Scored(Line):
    """An epoch's checkpoint, told by its weights, and its metrics by split."""

    epoch: Epoch
    weights_sha256: Sha256
    scores: Metrics


class Whole(Part):
    """A scores.json: all that one function had given of a recording's checkpoints."""

    epochs: list[Scored]


class Tables(Part):
    """By what the tables of a recording were evaluated: the function's name, the hash of its
    source, the evaluation keys of its splits, what became of running statistics (None: there are
    none), and the primary metric. Of which weights: those of each epoch; and how many epochs
    widths.csv is of."""

    evaluate: Name
    source: Key
    keys: dict[Split, Key]
    batch_norm: Literal["refresh", "average", "last"] | None
    metric: MetricName
    weights_sha256: list[Sha256]
    widths_epochs: Epoch | None = None

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """That of a recording; None where there is none. Raises PolyakError."""
        try:
            return reading.json_of(directory / TABLES, cls)
        except FileNotFoundError:
            return None

    def write(self, directory: Path) -> None:
        """Write it into a recording's directory, atomically."""
        files.write_json(directory / TABLES, self.model_dump(mode="json"))
