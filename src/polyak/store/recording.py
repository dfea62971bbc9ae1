"""What is recorded of a trajectory between the ends of its epochs, and which steps that covers.

    recording = Recording(every=0.1, means=True)
    recording.name                            # "10_per_epoch", its folder
    recording.intervals(epoch=0, steps=572)   # [range(0, 58), range(58, 115), ...]

An interval never crosses an epoch's end: the last one of an epoch may be shorter. At its end the
weights are kept, as a checkpoint, and with `means` the mean of the weights after each of its steps.
Steps are zero-based over the whole training; `range(a, b)` has the steps a to b - 1, and its
checkpoint is the weights after b steps. Needs no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from polyak.errors import ConfigError
from polyak.store import paths


@dataclass(frozen=True)
class Recording:
    """`every` so many steps (an int), or at every such fraction of an epoch (a float in (0, 1]);
    None: at every epoch's end, as every trajectory is. `keep`: which checkpoints within an epoch:
    all, none but the epoch's own, or every so many-th, counted from its beginning. The optimizer's
    state is written every `state_every` epochs, and after the last one."""

    every: int | float | None = None
    means: bool = False
    keep: int | Literal["all", "epochs"] = "all"
    state_every: int = 1

    @property
    def there(self) -> bool:
        """Whether it is more than every epoch's checkpoint."""
        return self.every is not None or self.means

    @property
    def finer(self) -> bool:
        """Whether there are checkpoints within an epoch."""
        once = self.every is None or (isinstance(self.every, float) and self.every == 1)
        return not once and self.keep != "epochs"

    @property
    def name(self) -> str:
        """The name of its folder: "10_per_epoch", "every_0.15_epochs", "every_50_steps"."""
        if isinstance(self.every, int):
            return f"every_{self.every}_steps"
        share = _exact(self.every or 1)
        if share.numerator == 1:
            return f"{share.denominator}_per_epoch"
        return f"every_{self.every}_epochs"

    @property
    def description(self) -> str:
        """In words: "10 per epoch", "every 50 steps"."""
        return self.name.replace("_", " ")

    @property
    def checkpoints_description(self) -> str:
        """Of the checkpoints that are kept: "10 checkpoints per epoch"."""
        number, per, epoch = self.description.partition(" per ")
        words = f"{number} checkpoints{per}{epoch}" if per else f"checkpoints {self.description}"
        return words + f", one in {self.keep} kept" * (self.keep not in ("all", 1))

    def ends(self, steps: int) -> list[int]:
        """Where intervals end within an epoch of `steps` steps, ascending; the last is `steps`."""
        if isinstance(self.every, int):
            return [*range(self.every, steps, self.every), steps]
        share = _exact(self.every or 1)
        found = {ceil(number * share * steps) for number in range(1, floor(1 / share) + 1)}
        return sorted(found | {steps})

    def intervals(self, epoch: int, steps: int) -> list[range]:
        """Those of a zero-based epoch of `steps` steps."""
        ends, first = self.ends(steps), epoch * steps
        return [
            range(first + begin, first + end) for begin, end in zip([0, *ends], ends, strict=False)
        ]

    def checkpoints(self, epoch: int, steps: int) -> list[range]:
        """The intervals of an epoch whose checkpoint is kept: each from the end of the kept one
        before. The last ends with the epoch."""
        found = self.intervals(epoch, steps)
        each = {"all": 1, "epochs": len(found)}.get(str(self.keep)) or int(self.keep)
        kept = [*found[each - 1 : -1 : each], found[-1]]
        begins = [found[0].start, *(interval.stop for interval in kept)]
        return [range(b, one.stop) for b, one in zip(begins, kept, strict=False)]

    def files(self, epoch: int, steps: int) -> dict[str, range]:
        """Those of an epoch, and the steps of each; its end's is the epoch's checkpoint."""
        means = self.intervals(epoch, steps) if self.means else []
        within = self.checkpoints(epoch, steps)[:-1] if self.finer else []
        return {
            **{paths.record("mean", one.stop): one for one in means},
            **{paths.record("step", one.stop): one for one in within},
        }

    def window(self, start: float, end: int, steps: int, *, means: bool) -> list[range]:
        """The intervals of the window [start, end), in epochs of `steps` steps: of the checkpoints
        that are kept, or with `means` of the means.

        Raises ConfigError, naming the nearest starts, where `start` is inside an interval.
        """
        of_epoch = self.intervals if means else self.checkpoints
        found = [one for epoch in range(floor(start), end) for one in of_epoch(epoch, steps)]
        begins = {one.start for one in found}
        starts = {
            time: step
            for epoch in range(floor(start), end)
            for time, step in self._starts(epoch, steps).items()
            if step in begins
        }
        if start in starts:
            return [one for one in found if one.start >= starts[start]]
        near = [max((one for one in starts if one < start), default=None)]
        near += [min((one for one in starts if one > start), default=None)]
        allowed = " or ".join(f"{one:.10g}" for one in near if one is not None)
        raise ConfigError(
            f"averaging.start = {start}: inside an interval of recording {self.description}, at "
            f"step {float(_exact(start) * steps):g} of {steps} per epoch; allowed: {allowed}, or "
            "another recording.every"
        )

    def _starts(self, epoch: int, steps: int) -> dict[int | float, int]:
        """Where an epoch's intervals begin: times in epochs, as a person gives them, to steps."""
        first = epoch * steps
        if isinstance(self.every, int):
            begins = [0, *self.ends(steps)[:-1]]
            return {in_epochs(first + begin, steps): first + begin for begin in begins}
        share = _exact(self.every or 1)
        times = [number * share for number in range(ceil(1 / share))]
        within = {float(epoch + time): ceil(time * steps) for time in times}
        # Within the last step nothing begins: what does at its end is the next epoch's.
        return {time: first + begin for time, begin in within.items() if begin < steps}


def in_epochs(step: int, steps: int) -> int | float:
    """A number of steps in epochs of `steps` steps, as `Recording.window` takes it."""
    return step // steps if step % steps == 0 else round(step / steps, 6)


def lengths(intervals: Sequence[range]) -> str:
    """ "58 steps", "57 or 58 steps", "18 to 50 steps"."""
    found = sorted({len(one) for one in intervals})
    joined = {1: "{0}", 2: "{0} or {1}"}.get(len(found), "{0} to {1}").format(found[0], found[-1])
    return f"{joined} step{'s' * (found[-1] > 1)}"


def _exact(number: float) -> Fraction:
    """As it is written: 0.1 is a tenth."""
    return Fraction(str(number))
