"""What a configuration may hold: every key, its type, its range, and what goes with what.

    config = parse(plain(cfg), caller=Path.cwd())

The YAML files in `conf/` give the values; this module refuses what cannot work, with one message
that names key, value and what is allowed, before anything is loaded or trained. A `_target_` is
taken only where it is one of the literals below. It does not import torch, so that `--help` stays
quick. To add a choice: one YAML file there, one dataclass here.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)
from pydantic import ValidationInfo as Info
from pydantic.dataclasses import dataclass

from polyak.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
"""The repository, where `conf/` and `outputs/` are."""

strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
LearningRate = Annotated[float, Field(gt=0, le=1e30)]  # torch refuses what float32 can't hold
NotNegative = Annotated[float, Field(ge=0, le=1e30)]
Decay = Annotated[float, Field(ge=0, lt=1)]


def _absolute(path: str, info: Info) -> str:
    """A path from the command line is the caller's."""
    if not path or path.startswith("~"):
        raise ValueError("allowed: a path, absolute or relative, without ~")
    caller: str = (info.context or {}).get("caller", ".")
    return os.path.abspath(Path(caller, path))


def _existing(path: str) -> str:
    if not Path(path).is_file():
        raise ValueError("there is no such file")
    return path


def _count_or_fraction(value: Any) -> int | float:
    if type(value) is int and value >= 0:
        return value
    if type(value) is float and 0 <= value < 1:
        return value
    raise ValueError("allowed: a count of images (0, 1, 2, ...) or a fraction below 1.0")


def _sums_to_one(weights: list[float]) -> list[float]:
    if not math.isclose(math.fsum(weights), 1, rel_tol=0, abs_tol=1e-6):
        raise ValueError(f"they sum to {math.fsum(weights):g}; allowed: weights that sum to 1")
    return weights


def _file_name(name: str) -> str:
    if not re.fullmatch(r"[\w.=,+-]{1,150}", name) or not name.strip("."):
        raise ValueError("allowed: 1 to 150 letters, digits and _.=,+- that are not dots alone")
    return name


Directory = Annotated[str, AfterValidator(_absolute)]
File = Annotated[str, AfterValidator(_absolute), AfterValidator(_existing)]


@dataclass(config=strict, kw_only=True)
class _Dataset:
    validation: Annotated[int | float, PlainValidator(_count_or_fraction)]
    limit_train: Count | None
    limit_test: Count | None


@dataclass(config=strict, kw_only=True)
class Auto(_Dataset):
    target: Literal["polyak.data.auto.load"] = Field(alias="_target_")
    datasets: Directory
    substitute: bool


@dataclass(config=strict, kw_only=True)
class SVHN(_Dataset):
    target: Literal["polyak.data.svhn.load"] = Field(alias="_target_")
    datasets: Directory


@dataclass(config=strict, kw_only=True)
class HouseNumbers(_Dataset):
    target: Literal["polyak.data.house_numbers.load"] = Field(alias="_target_")
    datasets: Directory
    seed: Annotated[int, Field(ge=0)]


@dataclass(config=strict, kw_only=True)
class Arrays(_Dataset):
    target: Literal["polyak.data.arrays.load"] = Field(alias="_target_")
    train: File
    test: File
    name: str | None
    groups: str | None
    classes: Count | None


@dataclass(config=strict, kw_only=True)
class SmallCNN:
    target: Literal["polyak.models.small_cnn.SmallCNN"] = Field(alias="_target_")
    channels: tuple[Count, Count]
    hidden: Count
    classes: Count | None


@dataclass(config=strict, kw_only=True)
class SGD:
    target: Literal["torch.optim.SGD"] = Field(alias="_target_")
    lr: LearningRate
    momentum: Decay
    nesterov: bool
    weight_decay: NotNegative


@dataclass(config=strict, kw_only=True)
class Adam:
    target: Literal["torch.optim.Adam", "torch.optim.AdamW"] = Field(alias="_target_")
    lr: LearningRate
    betas: tuple[Decay, Decay]
    eps: Positive
    weight_decay: NotNegative


@dataclass(config=strict, kw_only=True)
class Constant:
    target: Literal["polyak.training.schedules.Constant"] = Field(alias="_target_")


@dataclass(config=strict, kw_only=True)
class Cosine:
    target: Literal["polyak.training.schedules.Cosine"] = Field(alias="_target_")
    minimum: Annotated[float, Field(ge=0, le=1)]


@dataclass(config=strict, kw_only=True)
class Step:
    target: Literal["polyak.training.schedules.Step"] = Field(alias="_target_")
    every: Count
    gamma: Annotated[float, Field(gt=0, le=1)]


@dataclass(config=strict, kw_only=True)
class Uniform:
    target: Literal["polyak.averaging.Uniform"] = Field(alias="_target_")


@dataclass(config=strict, kw_only=True)
class Latest:
    target: Literal["polyak.averaging.Latest"] = Field(alias="_target_")
    k: Count


@dataclass(config=strict, kw_only=True)
class Exponential:
    target: Literal["polyak.averaging.Exponential"] = Field(alias="_target_")
    decay: Annotated[float, Field(gt=0, le=1)]


@dataclass(config=strict, kw_only=True)
class Power:
    target: Literal["polyak.averaging.Power"] = Field(alias="_target_")
    gamma: Annotated[float, Field(ge=0, le=100)]


@dataclass(config=strict, kw_only=True)
class Ramp:
    target: Literal["polyak.averaging.Ramp"] = Field(alias="_target_")
    decay: Literal["linear", "one_minus_sqrt"]


@dataclass(config=strict, kw_only=True)
class Explicit:
    target: Literal["polyak.averaging.Explicit"] = Field(alias="_target_")
    values: Annotated[list[NotNegative], AfterValidator(_sums_to_one)]


@dataclass(config=strict, kw_only=True)
class Greedy:
    target: Literal["polyak.averaging.Greedy"] = Field(alias="_target_")


Scheme = Uniform | Latest | Exponential | Power | Ramp | Explicit | Greedy


@dataclass(config=strict, kw_only=True)
class Averaging:
    """The window [start, end) of zero-based epochs, and how its checkpoints are weighted."""

    start: Annotated[int, Field(ge=0)]
    end: Count | None
    running: bool
    scheme: Annotated[Scheme, Field(discriminator="target")]


@dataclass(config=strict, kw_only=True)
class Training:
    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    batch_size: Count
    precision: Literal["fp32", "bf16"]
    compile: bool
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")]
    threads: Annotated[int, Field(ge=1, le=1024)] | None


@dataclass(config=strict, kw_only=True)
class Paths:
    outputs: Directory
    datasets: Directory
    trajectories: Directory


@dataclass(config=strict, kw_only=True)
class Config:
    """A whole configuration; `conf/config.yaml` describes the keys."""

    dataset: Annotated[Auto | SVHN | HouseNumbers | Arrays, Field(discriminator="target")]
    model: SmallCNN
    optimizer: Annotated[SGD | Adam, Field(discriminator="target")]
    schedule: Annotated[Constant | Cosine | Step, Field(discriminator="target")]
    averaging: Averaging
    training: Training
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    name: Annotated[str, AfterValidator(_file_name)] | None
    paths: Paths


_ADAPTER = TypeAdapter(Config)


def parse(values: Any, *, caller: Path) -> Config:
    """The typed configuration of plain `values`; relative paths are below `caller`.

    Raises ConfigError with one line for each wrong key: its name, its value, what is allowed.
    """
    try:
        # As JSON: strict about types, yet a mapping may become a dataclass and a list a tuple.
        config = _ADAPTER.validate_json(json.dumps(values), context={"caller": str(caller)})
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(details) for details in error.errors())) from None
    _check_together(config)
    return config


def resolved(config: Config) -> dict[str, Any]:
    """The configuration as plain values, with the keys of the YAML files."""
    values: dict[str, Any] = _ADAPTER.dump_python(config, by_alias=True, mode="json")
    return values


def plain(cfg: DictConfig) -> Any:
    """Hydra's composed configuration as plain values; ConfigError where it can't be resolved."""
    try:
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key}: give it a value, {error.full_key}=...") from None
    except OmegaConfBaseException as error:
        first_line = str(error).splitlines()[0]
        raise ConfigError(f"{error.full_key}: {first_line}") from None


def window(config: Config) -> range:
    """The epochs to average."""
    end = config.averaging.end
    return range(config.averaging.start, config.training.epochs if end is None else end)


def _explain(details: Mapping[str, Any]) -> str:
    # Where a group has several choices, pydantic puts the chosen target into the location.
    key = ".".join(str(part) for part in details["loc"] if "." not in str(part))
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] in ("union_tag_invalid", "union_tag_not_found", "literal_error"):
        context = details.get("ctx", {})
        allowed = context.get("expected_tags") or context.get("expected")
        value = context.get("tag", details["input"])
        key = key if key.endswith("_target_") or "expected" in context else f"{key}._target_"
        return f"{key} = {value}: allowed: {allowed}"
    if details["type"] == "unexpected_keyword_argument":
        return f"{key} = {details['input']!r}: there is no such key in this choice"
    if details["type"] == "missing":
        return f"{key}: this key is missing"
    return f"{key} = {details['input']!r}: {message[0].lower()}{message[1:]}"


def _check_together(config: Config) -> None:
    averaging, epochs = config.averaging, config.training.epochs
    if averaging.end is not None and averaging.end > epochs:
        raise ConfigError(
            f"averaging.end = {averaging.end}: allowed: at most training.epochs = {epochs}"
        )
    if averaging.end is not None and averaging.start >= averaging.end:
        raise ConfigError(
            f"averaging.start = {averaging.start}: allowed: below averaging.end = {averaging.end}"
        )
    if averaging.start >= epochs:
        raise ConfigError(
            f"averaging.start = {averaging.start}: allowed: below training.epochs = {epochs}"
        )
    scheme, span = averaging.scheme, len(window(config))
    if isinstance(scheme, Explicit) and len(scheme.values) != span:
        raise ConfigError(
            f"averaging.scheme.values: {len(scheme.values)} weights; "
            f"allowed: {span}, one for each epoch of the window"
        )
    if isinstance(scheme, Explicit | Greedy) and averaging.running:
        raise ConfigError(
            f"averaging.running = True: allowed: not with {scheme.target}, "
            "which weights the window as a whole"
        )
    if isinstance(scheme, Greedy) and not config.dataset.validation:
        raise ConfigError(
            "averaging.scheme = greedy: needs a validation split to choose on; "
            "allowed: with dataset.validation above 0, say 0.1"
        )
    optimizer = config.optimizer
    if isinstance(optimizer, SGD) and optimizer.nesterov and optimizer.momentum == 0:
        raise ConfigError(
            "optimizer.nesterov = True: allowed: only with optimizer.momentum above 0"
        )


def register() -> None:
    """Tell OmegaConf the resolvers that `conf/` uses: the repository's root, a unique name, and the
    name of a sweep's point."""
    OmegaConf.register_new_resolver("polyak.root", lambda: str(ROOT), replace=True)
    OmegaConf.register_new_resolver("polyak.unique", unique, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("polyak.point", point, replace=True)


def unique(name: str | None) -> str:
    """The directory's name of a run or sweep: `name`, or else the time and process. Hydra asks for
    it before it makes the directory: a ConfigError leaves nothing behind."""
    if name is None:
        return f"{datetime.now():%Y-%m-%d_%H-%M-%S.%f}_{os.getpid()}"
    try:
        return _file_name(str(name))
    except ValueError as error:
        raise ConfigError(f"name = {name!r}: {error}") from None


def point(swept: str, number: int) -> str:
    """The directory's name of a sweep's point: its swept values, or its number without any.

    `swept` is Hydra's override_dirname, "averaging.start=10,optimizer.lr=0.05". What can't be in a
    file name is replaced, and a hash keeps such names, and shortened ones, apart.
    """
    name = re.sub(r"[^\w.=,+-]", "_", str(swept))
    if name != swept or len(name.encode()) > 150:
        digest = hashlib.sha256(str(swept).encode()).hexdigest()
        name = f"{name.encode()[:150].decode(errors='ignore')},{digest[:8]}"
    return name if swept else str(number)
