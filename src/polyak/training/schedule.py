"""What a learning-rate schedule must offer; `schedules/` has some."""

from typing import ClassVar, Protocol


class Schedule(Protocol):
    """The factor on the optimizer's learning rate."""

    depends_on_epochs: ClassVar[bool]

    def factor(self, epoch: int, epochs: int) -> float:
        """In zero-based `epoch` of `epochs`."""
