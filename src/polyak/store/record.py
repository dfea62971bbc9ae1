"""What the store has of one epoch, as a run reads it. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from polyak.evaluation.scores import Scores
from polyak.training.result import EpochResult


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: how its training went, the checkpoint's scores by split, and whether the epoch was
    found in the store."""

    training: EpochResult
    scores: Mapping[str, Scores]
    stored: bool = False
