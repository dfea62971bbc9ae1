"""What a configuration may hold: every key, its type and its range.

    config = parse(plain(cfg), caller=Path.cwd())     # config/parse.py
    config.window, config.learning_rates, config.method(batch_norm=True)

The YAML files in `conf/` give the values. What a choice takes is said where it is defined
(`choices.py`). Nothing here imports torch, so that `--help` stays quick.
"""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, PlainValidator

from polyak.averaging.scheme import Scheme
from polyak.config import choices
from polyak.config.choices import STRICT, Choice
from polyak.errors import ConfigError
from polyak.parameters import Count, Directory, File, Positive, Seed, Share
from polyak.store import recording as store_recording
from polyak.tracking.backend import Backend
from polyak.training.schedule import Schedule


def file_name(name: str) -> str:
    """`name`, where it can name a directory. Raises ValueError."""
    if not re.fullmatch(r"[\w.=,+-]{1,150}", name) or not name.strip("."):
        raise ValueError("allowed: 1 to 150 letters, digits and _.=,+- that are not dots alone")
    return name


class Refresh(BaseModel):
    """On which training images the statistics of batch norm are computed anew."""

    model_config = STRICT
    images: Count | None
    batch_size: Count | None
    augment: bool

    @property
    def description(self) -> str:
        """ "refreshed on 1,000 images", "refreshed in batches of 64", "refreshed without
        augmentation"."""
        some = "" if self.images is None else f" on {self.images:,} images"
        some += "" if self.batch_size is None else f" in batches of {self.batch_size:,}"
        return f"refreshed{some}" + " without augmentation" * (not self.augment)


def _epochs(value: Any) -> int | float:
    if type(value) not in (int, float) or not 0 <= value <= 1_000_000:
        raise ValueError("allowed: epochs from 0, and a fraction where one is recorded")
    return int(value) if value == int(value) else float(value)


def _every(value: Any) -> int | float | None:
    if value is None or (type(value) is int and value >= 1):
        return value
    if type(value) is float and 0.0001 <= value <= 1:
        return value
    raise ValueError(
        "allowed: null, a number of steps (1, 2, ...) or a fraction of an epoch (0.0001 to 1.0)"
    )


def _keep(value: Any) -> Any:
    if value in ("all", "epochs") or (type(value) is int and value >= 1):
        return value
    raise ValueError("allowed: all, epochs, or a number k from 1, for every k-th")


class Recording(BaseModel):
    """What of the training is kept between epochs' ends; it decides no weight."""

    model_config = STRICT
    every: Annotated[int | float | None, PlainValidator(_every)]
    means: bool
    keep: Annotated[int | Literal["all", "epochs"], PlainValidator(_keep)]
    state_every: Count = 1


class Averaging(BaseModel):
    """The window [start, end) of zero-based epochs, of which every `stride`-th from the first, what
    is averaged `of` it, and how its checkpoints or step means are weighted."""

    model_config = STRICT
    of: Literal["checkpoints", "steps"]
    start: Annotated[int | float, PlainValidator(_epochs)]
    end: Count | None
    stride: Count
    running: bool
    batch_norm: Literal["refresh", "average", "last"]
    refresh: Refresh
    scheme: Choice


class Training(BaseModel):
    """How long, in which batches, and on what."""

    model_config = STRICT
    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    batch_size: Count
    drop_last: bool
    label_smoothing: Share
    clip_norm: Positive | None
    decay: Literal["all", "weights"]
    init: File | None
    precision: Literal["fp32", "bf16"]
    compile: bool
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")]
    threads: Annotated[int, Field(ge=1, le=1024)] | None


class Paths(BaseModel):
    """Where outputs go."""

    model_config = STRICT
    outputs: Directory
    datasets: Directory
    trajectories: Directory


class Config(BaseModel):
    """A whole configuration; `conf/config.yaml` describes the keys."""

    model_config = STRICT
    dataset: Choice
    augmentation: Choice
    model: Choice
    optimizer: Choice
    schedule: Choice
    averaging: Averaging
    recording: Recording
    training: Training
    seed: Seed
    name: Annotated[str, AfterValidator(file_name)] | None
    paths: Paths
    tracking: Annotated[Choice, Field(exclude=True)]

    @property
    def window(self) -> range:
        """The epochs whose checkpoints are in the window; these are averaged, or what is recorded
        in it (`of_recording`)."""
        averaging = self.averaging
        end = self.training.epochs if averaging.end is None else averaging.end
        return range(math.floor(averaging.start), end, averaging.stride)

    @property
    def recorded(self) -> store_recording.Recording:
        """What is recorded."""
        return store_recording.Recording(**self.recording.model_dump())

    @property
    def of_recording(self) -> bool:
        """Whether more is averaged than epochs' checkpoints."""
        return self.averaging.of == "steps" or self.recorded.finer

    @property
    def scheme(self) -> Scheme:
        """The averaging scheme."""
        made: Scheme = choices.make("scheme", self.resolved["averaging"]["scheme"])
        return made

    def method(self, batch_norm: bool) -> str:
        """How checkpoints are averaged: the scheme, and what is not as usual: "uniform, every 2
        epochs", "uniform over steps", "uniform, 10 checkpoints per epoch"; for a network with batch
        norm "uniform, batch norm averaged"."""
        averaging, words = self.averaging, [self.scheme.description]
        if averaging.of == "steps":
            name, comma, parameters = self.scheme.description.partition(",")
            words = [f"{name} over steps{comma}{parameters}"]
            words += [f"means {self.recorded.description}"] * bool(comma)
        elif self.recorded.finer:
            words += [self.recorded.checkpoints_description]
        words += [f"every {averaging.stride} epochs"] * (averaging.stride > 1)
        if batch_norm:
            kinds = {"refresh": "", "average": "averaged", "last": "of the last checkpoint"}
            kind, how = kinds[averaging.batch_norm], averaging.refresh.description
            words += [f"batch norm {kind}"] * bool(kind)
            # The last checkpoint's statistics are refreshed with every treatment.
            words += [f"{'last ' * bool(kind)}{how}"] * (how != "refreshed")
        return ", ".join(words)

    @property
    def learning_rates(self) -> Schedule:
        """The schedule of them. Raises ConfigError for parameters that can't go together."""
        try:
            made: Schedule = choices.make("schedule", self.resolved["schedule"])
        except ValueError as error:
            raise ConfigError(f"schedule.{error}") from error
        return made

    @property
    def tracker(self) -> Backend:
        """The tool that shows the run."""
        values = self.tracking.model_dump(by_alias=True, mode="json")
        made: Backend = choices.make("tracking", values)
        return made

    @property
    def resolved(self) -> dict[str, Any]:
        """The configuration as plain values, with the keys of the YAML files, but for `tracking`:
        it is nothing of the run's, and not recorded with it."""
        values: dict[str, Any] = self.model_dump(by_alias=True, mode="json", serialize_as_any=True)
        return values


CHOICES = (
    *(("dataset",), ("augmentation",), ("model",), ("optimizer",), ("schedule",)),
    *(("averaging", "scheme"), ("tracking",)),
)
"""Keys whose values are a choice, of the group that the last one names."""
