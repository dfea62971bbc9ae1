"""What a model is scored by: a name, and whether more of it is better. Needs no torch.

Metric("f1", higher=True).sign    # 1; of LOSS -1
"""

import re
from dataclasses import dataclass

from polyak.errors import PolyakError
from polyak.records.part import METRIC_NAME, OF_LOGITS


@dataclass(frozen=True)
class Metric:
    """Raises PolyakError for a name that isn't allowed, or a direction that contradicts one that is
    known."""

    name: str
    higher: bool

    def __post_init__(self) -> None:
        if not re.fullmatch(METRIC_NAME, self.name):
            raise PolyakError(
                f"metric = {self.name!r}: allowed: up to 40 lower-case letters, digits and _"
            )
        if OF_LOGITS.get(self.name, self.higher) != self.higher:
            raise PolyakError(f"metric {self.name}: higher = {self.higher}: allowed: the other")

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.higher else -1


KNOWN = {name: Metric(name, higher) for name, higher in OF_LOGITS.items()}
"""Those that every run of train.py has: computed from logits."""

ACCURACY, LOSS, CALIBRATION_ERROR = (
    KNOWN[name] for name in ("accuracy", "loss", "calibration_error")
)
