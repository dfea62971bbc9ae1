"""summary.json: what a finished run says of itself. Its schema is this class, for writer and
readers. Needs no torch.

    summary = Summary.read(Path("outputs/runs/NAME"))
    summary.results["average"].test.accuracy        # a fraction
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)

from polyak import files
from polyak.errors import PolyakError

NAME = "summary.json"

Origin = Literal["trained", "resumed", "reused"]
"""How a run came by its trajectory."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Epoch = Annotated[int, Field(ge=0, le=1_000_000)]
Start = Epoch | Annotated[float, Field(ge=0, le=1_000_000)]
"""Whole epochs are ints."""
Number = Annotated[int, Field(ge=1, le=2**40)]


class Part(BaseModel):
    """Base of all parts: finite numbers of the right types; unknown keys are left out."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True, extra="ignore")


class SplitScores(Part):
    """Loss in nats, accuracy and expected calibration error as fractions."""

    loss: Annotated[float, Field(ge=0)]
    accuracy: Fraction
    calibration_error: Fraction


class Result(Part):
    """What one model, or a mean over several, scores on each split; `epoch` of one checkpoint."""

    epoch: Epoch | None = None
    validation: SplitScores | None = None
    test: SplitScores

    @property
    def splits(self) -> dict[str, SplitScores]:
        """The scores by split."""
        both = {"validation": self.validation, "test": self.test}
        return {name: scores for name, scores in both.items() if scores is not None}

    @model_serializer(mode="wrap")
    def _there(self, handler: Any) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class Comparison(Part):
    """The average beside what it can be compared with, and its gains, as fractions, by split.

    `results` has average, ensemble (of the window's checkpoints), last, last_refreshed (of a model
    with batch norm: with statistics computed anew, as the average's), window_mean,
    best_by_validation (None without validation) and best_by_test_oracle.
    """

    results: dict[str, Result | None]
    gains: dict[str, dict[str, Annotated[float, Field(ge=-1, le=1)]]]


class Data(Part):
    """What the images were; `sizes` in images by split."""

    name: str
    origin: str
    synthetic: bool
    substitute_for: str | None
    classes: Number
    input_shape: list[Number]
    sizes: dict[str, Number]


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
    fingerprint: str
    training_split: str
    evaluation_keys: dict[str, str]
    window: Window
    scheme: str
    weights: list[Annotated[float, Field(ge=0)]]
    trajectory: Origin
    seconds: dict[str, Annotated[float, Field(ge=0)]]
    environment: dict[str, Any]

    @model_validator(mode="after")
    def _one_weight_per_epoch(self) -> Self:
        if len(self.weights) != self.window.count:
            raise ValueError(f"{len(self.weights)} weights for {self.window.count} checkpoints")
        return self

    @property
    def epochs(self) -> int:
        """How many epochs were trained. Raises PolyakError where the configuration doesn't say."""
        try:
            epochs = self.config["training"]["epochs"]
        except (KeyError, TypeError):
            epochs = None
        if not isinstance(epochs, int) or not self.window.end <= epochs <= 1_000_000:
            raise PolyakError(f"config.training.epochs = {epochs}: not the epochs of this run")
        return epochs

    def write(self, run: Path) -> None:
        """Write it into a run's directory, atomically: it marks the run complete."""
        files.write_json(run / NAME, self.model_dump(mode="json"))

    @classmethod
    def read(cls, run: Path) -> Self:
        """That of a run's directory. Raises PolyakError naming file, key, value and what is
        allowed."""
        path = run / NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            if not run.is_dir():
                raise PolyakError(f"{run}: there is no such directory") from None
            sweep = "; it is a sweep: give one of its runs" * (run / "multirun.yaml").exists()
            raise PolyakError(f"{run}: not a finished run, it has no {NAME}{sweep}") from None
        except OSError as error:
            raise PolyakError(f"{path}: can't be read ({error})") from error
        except ValidationError as error:
            raise PolyakError(f"{path}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    """The first of its problems."""
    details = error.errors()[0]
    key, message = ".".join(map(str, details["loc"])), details["msg"]
    if details["type"] == "json_invalid":
        return f"can't be read ({message})"
    if details["type"] == "missing":
        return f"{key} is missing"
    value = f"{key} = {details['input']!r}: " if key else ""
    return f"{value[:200]}{message[0].lower()}{message[1:]}"


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
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_hashable(one) for one in value)
    return value


def differing(config: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Dotted keys in which two configurations differ, as JSON has their values."""
    one, two = (flat(json.loads(json.dumps(each))) for each in (config, other))
    return sorted(key for key in one | two if one.get(key) != two.get(key))
