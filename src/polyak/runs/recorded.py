"""What a run averages of its trajectory's recording: which files of a window, and links to them.

    recorded = RecordedWindow.of(recording, start=10.5, end=20, steps=572, means=True)
    recorded.link(trajectory, run, epoch=10)
    weights = scheme.over_steps(recorded.intervals)
    mean_of_files(recorded.files(run), weights)

A run that averages epochs' checkpoints has none. Needs no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from polyak import files
from polyak.averaging.scheme import Intervals, Scheme
from polyak.errors import ConfigError
from polyak.records.summary import Window
from polyak.store import paths
from polyak.store.recording import Recording


@dataclass(frozen=True)
class RecordedWindow:
    """The intervals of the window [start, end), in epochs, and what is averaged of each: its step
    mean, or the checkpoint at its end."""

    recording: Recording
    start: int | float
    intervals: Intervals

    @classmethod
    def of(
        cls, recording: Recording, start: int | float, end: int, steps: int, *, means: bool
    ) -> Self:
        """Of epochs of `steps` steps. Raises ConfigError where `start` is inside an interval."""
        found = recording.window(start, end, steps, means=means)
        return cls(recording, start, Intervals(found, steps, means))

    def check(self, scheme: Scheme) -> None:
        """Raise ConfigError, which begins with a parameter's name, where the scheme doesn't fit."""
        try:
            scheme.over_steps(self.intervals)
            scheme.check(self.intervals)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def files(self, directory: Path) -> list[Path]:
        """One file per interval, in the directory of the trajectory or of a run."""
        return [self._file(directory, one) for one in self.intervals.steps]

    def link(self, trajectory: Path, run: Path, epoch: int) -> None:
        """Link what is averaged of an epoch into the run; its own checkpoint is linked already."""
        for one in self.intervals.steps:
            path, target = self._file(trajectory, one), self._file(run, one)
            if self._epoch(one) == epoch and path.parent.name != "checkpoints":
                files.link(path, target)

    def up_to(self, epochs: Sequence[int]) -> list[int]:
        """How many of the intervals end with each of the epochs, or before."""
        return [sum(self._epoch(one) <= epoch for one in self.intervals.steps) for epoch in epochs]

    def by_epoch(self, weights: Sequence[float], epochs: Sequence[int]) -> list[float]:
        """The sum of the intervals' weights in each of the epochs."""
        pairs = list(zip(map(self._epoch, self.intervals.steps), weights, strict=True))
        return [sum(weight for which, weight in pairs if which == epoch) for epoch in epochs]

    def summary(self, window: range) -> Window:
        """For summary.json."""
        count = len(self.intervals.steps)
        return Window(start=self.start, end=window.stop, count=count, recording=self.recording.name)

    def _epoch(self, interval: range) -> int:
        return interval[-1] // self.intervals.per_epoch

    def _file(self, directory: Path, interval: range) -> Path:
        if not self.intervals.means and interval.stop % self.intervals.per_epoch == 0:
            return paths.checkpoint(directory, self._epoch(interval))
        name = paths.record("mean" if self.intervals.means else "step", interval.stop)
        return paths.recordings(directory, self.recording.name) / name
