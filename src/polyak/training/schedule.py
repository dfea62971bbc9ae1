"""What a learning-rate schedule must offer; `schedules/` has some."""

from typing import ClassVar, Protocol


class Schedule(Protocol):
    """The factor on the optimizer's learning rate.

    `factor` is a function of time. Taken once per epoch, epoch e has the value of its beginning,
    factor(e); taken once per step, step s of S in epoch e has factor(e + s / S).
    """

    depends_on_epochs: ClassVar[bool]
    """Whether `factor` looks at `epochs`; where it doesn't, that number decides no weight."""

    def factor(self, epoch: float, epochs: int) -> float:
        """At `epoch` of `epochs`: zero-based, and a fraction within an epoch; not negative.

        Raises ValueError, which begins with a parameter's name, where the schedule does not fit
        `epochs`.
        """
