"""failure.json: why a run has no summary.json.

Failure.read(run).reason
"""

from pathlib import Path
from typing import Self

from pydantic import field_validator

from polyak.records import reading
from polyak.records.part import Epoch, Name, Part


class Failure(Part):
    """The stage that failed, the epoch in training, and the exception's class and message."""

    stage: Name
    epoch: Epoch | None
    kind: Name
    reason: str

    @field_validator("reason")
    @classmethod
    def _legible(cls, reason: str) -> str:
        """Without control characters, which would reach a terminal."""
        return reading.escaped(reason, keeping="\n")

    @classmethod
    def read(cls, run: Path) -> Self:
        """That of a run's directory. Raises PolyakError, or FileNotFoundError where there is
        none."""
        return reading.json_of(run / "failure.json", cls)
