"""claim.json: which process took a run's directory last.

Claim.of(run)   # None where no run has claimed the directory
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field

from polyak.errors import PolyakError
from polyak.records import reading
from polyak.records.part import Name, NotNegative, Part


class Claim(Part):
    """Process and host, and when it began, in seconds since 1970."""

    process: Annotated[int, Field(ge=1, lt=2**32)]
    host: Name
    began: NotNegative

    @classmethod
    def of(cls, run: Path) -> Self | None:
        """That of a run's directory; None where there is none, or another file of that name."""
        try:
            return reading.json_of(run / "claim.json", cls)
        except (FileNotFoundError, PolyakError):
            return None
