"""What a configuration may hold: every key, its type, its range, and what goes with what.

    config = parse(plain(cfg), caller=Path.cwd())

The YAML files in `conf/` give the values; what cannot work is refused with one message that names
key, value and what is allowed, before anything is loaded or trained. What a choice takes is said
where it is defined (`choices.py`). Nothing here imports torch, so that `--help` stays quick.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    create_model,
)

from polyak.averaging.scheme import Scheme
from polyak.config import choices
from polyak.config.choices import STRICT, Choice
from polyak.errors import ConfigError
from polyak.parameters import Count, Directory, File, Positive, Seed, Share
from polyak.training.schedule import Schedule

Model = TypeVar("Model", bound=BaseModel)


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
        """ "refreshed on 1,000 images", "refreshed without augmentation"."""
        some = "" if self.images is None else f" on {self.images:,} images"
        return f"refreshed{some}" + " without augmentation" * (not self.augment)


class Averaging(BaseModel):
    """The window [start, end) of zero-based epochs, of which every `stride`-th from the first, and
    how its checkpoints are weighted."""

    model_config = STRICT
    start: Annotated[int, Field(ge=0)]
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
    training: Training
    seed: Seed
    name: Annotated[str, AfterValidator(file_name)] | None
    paths: Paths

    @property
    def window(self) -> range:
        """The epochs to average."""
        averaging = self.averaging
        end = self.training.epochs if averaging.end is None else averaging.end
        return range(averaging.start, end, averaging.stride)

    @property
    def scheme(self) -> Scheme:
        """The averaging scheme."""
        made: Scheme = choices.make("scheme", self.resolved["averaging"]["scheme"])
        return made

    @property
    def method(self) -> str:
        """How checkpoints are averaged: the scheme, and what is not as usual: "uniform, every 2
        epochs", "uniform, batch norm averaged"."""
        averaging, words = self.averaging, [self.scheme.description]
        words += [f"every {averaging.stride} epochs"] * (averaging.stride > 1)
        kinds = {
            "refresh": averaging.refresh.description,
            "average": "averaged",
            "last": "of the last checkpoint",
        }
        kind = kinds[averaging.batch_norm]
        words += [f"batch norm {kind}"] * (kind != "refreshed")
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
    def resolved(self) -> dict[str, Any]:
        """The configuration as plain values, with the keys of the YAML files."""
        values: dict[str, Any] = self.model_dump(by_alias=True, mode="json", serialize_as_any=True)
        return values


CHOICES: Mapping[tuple[str, ...], str] = {
    ("dataset",): "dataset",
    ("augmentation",): "augmentation",
    ("model",): "model",
    ("optimizer",): "optimizer",
    ("schedule",): "schedule",
    ("averaging", "scheme"): "scheme",
}
"""Keys whose values are a choice, and of which group."""


def parse(values: Any, *, caller: Path) -> Config:
    """The typed configuration of plain `values`; relative paths are below `caller`.

    Raises ConfigError with one line per wrong key: its name, its value, what is allowed.
    """
    wrong: list[str] = []
    chosen = {keys: _choice(keys, group, values, wrong) for keys, group in CHOICES.items()}
    fields: dict[str, Any] = {
        keys[0]: (kind, ...) for keys, kind in chosen.items() if keys[1:] == ()
    }
    scheme: Any = (chosen["averaging", "scheme"], ...)
    fields["averaging"] = (create_model("Averaging", __base__=Averaging, scheme=scheme), ...)
    made: type[Config] = create_model("Config", __base__=Config, **fields)
    config = _validated(made, values, caller, wrong)
    _check_together(config)
    return config


def parse_choice(group: str, values: Mapping[str, Any], *, caller: Path) -> Any:
    """The object that the `values` of one choice describe, `_target_` among them. Raises
    ConfigError as `parse` does."""
    wrong: list[str] = []
    kind = _choice((), group, values, wrong)
    checked = _validated(kind, values, caller, wrong)
    return choices.make(group, checked.model_dump(by_alias=True, mode="json"))


def _validated(kind: type[Model], values: Any, caller: Path, wrong: list[str]) -> Model:
    """`values` as a `kind`. Raises ConfigError with what is already `wrong` and with all else."""
    try:
        # As JSON: strict about types, yet a list may become a tuple.
        found = kind.model_validate_json(json.dumps(values), context={"caller": str(caller)})
    except ValidationError as error:
        wrong += [_explain(details) for details in error.errors()]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return found


def _choice(keys: tuple[str, ...], group: str, values: Any, wrong: list[str]) -> Any:
    """The pydantic model of the choice at `keys` of the values; where there is none, a message is
    added to `wrong` and anything goes."""
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    if not isinstance(values, Mapping):
        return Choice  # which says that it is missing, or no mapping
    target = values.get("_target_")
    try:
        return choices.check(group, str(target))
    except ConfigError as error:
        wrong.append(f"{'.'.join([*keys, '_target_'])} = {target}: {error}")
        return Any if keys else Choice


def plain(cfg: DictConfig) -> Any:
    """Hydra's composed configuration as plain values; ConfigError where it can't be resolved."""
    try:
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key}: give it a value, {error.full_key}=...") from None
    except OmegaConfBaseException as error:
        first_line = str(error).splitlines()[0]
        raise ConfigError(f"{error.full_key}: {first_line}") from None


def _explain(details: Mapping[str, Any]) -> str:
    key = ".".join(map(str, details["loc"]))
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "literal_error":
        return f"{key} = {details['input']}: allowed: {details['ctx']['expected']}"
    if details["type"] == "extra_forbidden":
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
    _check_schedule(config)
    scheme = config.scheme
    if averaging.running and not scheme.running:
        raise ConfigError(
            f"averaging.running = True: allowed: not with {scheme.name}, "
            "which weights the window as a whole"
        )
    if scheme.needs_validation:
        if not config.resolved["dataset"]["validation"]:
            raise ConfigError(
                f"averaging.scheme = {scheme.name}: needs a validation split to choose on; "
                "allowed: with dataset.validation above 0, say 0.1"
            )
        return
    try:
        scheme.weights(config.window)
    except ValueError as error:
        raise ConfigError(f"averaging.scheme.{error}") from None


def _check_schedule(config: Config) -> None:
    schedule, window = config.learning_rates, config.window
    try:
        schedule.factor(0.0, config.training.epochs)
    except ValueError as error:
        raise ConfigError(f"schedule.{error}") from error
    ends: range | None = getattr(schedule, "cycle_ends", lambda epochs: None)(
        config.training.epochs
    )
    if ends is not None and not set(ends) & set(window):
        shown = ", ".join(map(str, ends[:3])) + ", ..." * (len(ends) > 3)
        has = f"epochs {shown}" if ends else "no epoch of the training"
        raise ConfigError(
            f"averaging.start = {window.start}, averaging.stride = {window.step}: no cycle of the "
            f"schedule ends in the window; cycles end at {has}"
        )
