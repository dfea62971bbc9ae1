"""No tracking: `tracking=none`, the default."""

from dataclasses import dataclass
from typing import ClassVar

from polyak.tracking.backend import Origin


@dataclass(frozen=True)
class Nowhere:
    """Nothing is tracked."""

    name: ClassVar[str] = "none"

    def check(self) -> None:
        """It needs nothing."""

    def open(self, origin: Origin) -> None:
        """Nothing."""
