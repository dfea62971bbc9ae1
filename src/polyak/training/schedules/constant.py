"""The same learning rate in every epoch, as in the article."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Constant:
    """Factor 1."""

    depends_on_epochs: ClassVar[bool] = False

    def factor(self, epoch: float, epochs: int) -> float:
        return 1.0
