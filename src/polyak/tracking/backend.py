"""What a tool must do to show runs: `polyak.tracking.backends` has one file per tool.

backend.check()                       # is its library there?
sink = backend.open(origin)
sink.log(Point("epoch", 0, {"test/accuracy": 0.8}))
sink.finish(outcome)
sink.close(complete=True)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from polyak.errors import ConfigError

Value = str | int | float | bool


@dataclass(frozen=True)
class Origin:
    """Which run it is, as known before it trains. `identity`: 16 hexadecimal digits, the same
    whenever this run is tracked; `parameters`: its configuration, by dotted keys."""

    directory: Path
    name: str
    identity: str
    parameters: Mapping[str, Value]


@dataclass(frozen=True)
class Point:
    """Finite numbers by name, at one place of an axis: an epoch, or what the name says."""

    axis: str
    at: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """What a finished run says of itself: scores and gains of its average, what it was made of, and
    its figures' files, by name. `epochs`: how many were trained."""

    epochs: int
    scores: Mapping[str, float]
    tags: Mapping[str, str]
    images: Mapping[str, Path]


class Sink(Protocol):
    """One run, shown by one tool. A run that is tracked again gives the same points in the same
    order: what is there of it is replaced, or left out."""

    def log(self, point: Point) -> None:
        """Show it at once."""

    def finish(self, outcome: Outcome) -> None:
        """Show what is known at the run's end."""

    def close(self, complete: bool) -> None:
        """Flush. Not `complete`: the run has failed, or its tracking has."""


class Backend(Protocol):
    """A tool, with its options as attributes."""

    @property
    def name(self) -> str:
        """As `tracking=NAME` has it."""

    def check(self) -> None:
        """Raise ConfigError where its library can't be imported."""

    def open(self, origin: Origin) -> Sink | None:
        """Begin, or begin anew, with a run; None: nothing is tracked. Raises PolyakError where it
        must not, of a folder of somebody else's."""


def missing(name: str, error: ImportError) -> ConfigError:
    """Of a backend whose library is not there."""
    return ConfigError(
        f"tracking = {name}: its library can't be imported ({error}); "
        f"allowed: after pip install -e '.[{name}]' in the repository"
    )
