"""summary.json: what a finished run says of itself. Its schema is this class, for writer and
readers. Needs no torch.

    summary = Summary.read(Path("outputs/runs/NAME"))
    summary.results["average"].test.accuracy        # a fraction
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_serializer, model_validator

from polyak import files
from polyak.errors import PolyakError
from polyak.records import hydra, reading, trajectory
from polyak.records.comparison import Comparison as Comparison
from polyak.records.comparison import Result as Result
from polyak.records.comparison import SplitScores as SplitScores
from polyak.records.part import (
    Environment,
    Epoch,
    Name,
    NotNegative,
    Number,
    Part,
    Split,
)

NAME = "summary.json"

Origin = Literal["trained", "resumed", "reused"]
"""How a run came by its trajectory."""
Start = Epoch | Annotated[float, Field(ge=0, le=1_000_000)]
"""Whole epochs are ints."""


OF_RECORDING = "a recording's own"
"""The origin of images that somebody's own function evaluates on."""


class Data(Part):
    """What the images were; `sizes` in images by split, as far as they are known, and so `classes`
    (None: not)."""

    name: str
    origin: str
    synthetic: bool
    substitute_for: str | None
    classes: Number | None
    input_shape: list[Number]
    sizes: dict[Split, Number]


class Window(Part):
    """The epochs [start, end), every `stride`-th from the first, and how many checkpoints, or step
    means, were averaged: one per epoch, but with a `recording`, which may begin within one."""

    start: Start
    end: Epoch
    stride: Number = 1
    count: Number
    recording: str | None = None

    @classmethod
    def of(cls, epochs: range) -> Self:
        """That of those epochs."""
        return cls(start=epochs.start, end=epochs.stop, stride=epochs.step, count=len(epochs))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.recording is None and (self.count != len(self.epochs) or self.start % 1):
            raise ValueError(f"{self.count} epochs in {self.epochs}")
        return self

    @model_serializer(mode="wrap")
    def _there(self, handler: Any) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}

    @property
    def epochs(self) -> range:
        """Those whose own checkpoints are in it."""
        return range(int(self.start), self.end, self.stride)


class Summary(Comparison):
    """A finished run: docs/files.md describes the keys."""

    config: dict[str, Any]
    overrides: list[str]
    dataset: Data
    fingerprint: Name
    training_split: Name
    evaluation_keys: dict[Split, Name]
    window: Window
    scheme: str
    weights: list[NotNegative]
    trajectory: Origin
    seconds: dict[Name, NotNegative]
    environment: Environment

    @model_validator(mode="after")
    def _of_one_run(self) -> Self:
        if len(self.weights) != self.window.count:
            raise ValueError(f"{len(self.weights)} weights for {self.window.count} checkpoints")
        training = self.config.get("training")
        epochs = training.get("epochs") if isinstance(training, dict) else None
        last = max((one.epoch or 0 for one in self.results.values() if one), default=0)
        least = max(self.window.end, last + 1)
        if type(epochs) is not int or not least <= epochs <= 1_000_000:
            raise ValueError(
                f"config.training.epochs = {reading.shown(epochs)}: allowed: from {least} to "
                "1,000,000, by its window and results"
            )
        return self

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        found: int = self.config["training"]["epochs"]
        return found

    def write(self, run: Path) -> None:
        """Write it into a run's directory, atomically: it marks the run complete."""
        files.write_json(run / NAME, self.model_dump(mode="json"))

    @classmethod
    def read(cls, run: Path) -> Self:
        """That of a run's directory. Raises PolyakError naming file, key, value and what is
        allowed."""
        try:
            return reading.json_of(run / NAME, cls)
        except FileNotFoundError:
            if not run.is_dir():
                raise PolyakError(f"{run}: there is no such directory") from None
            what = "; it is a sweep: give one of its runs" * (run / hydra.SWEEP).exists()
            if (run / trajectory.NAME).exists():
                what = "; of a recording, give --evaluate FILE.py:NAME too"
            raise PolyakError(f"{run}: not a finished run, it has no {NAME}{what}") from None


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration with dotted keys in place of nested mappings; lists become tuples."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = _hashable(value)
    return found


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple((key, _hashable(one)) for key, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_hashable(one) for one in value)
    return value


def differing(config: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Dotted keys in which two configurations differ, as JSON has their values."""
    one, two = (flat(json.loads(json.dumps(each))) for each in (config, other))
    return sorted(key for key in one | two if one.get(key) != two.get(key))
