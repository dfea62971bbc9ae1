"""From plain values to a checked configuration.

    config = parse(plain(cfg), caller=Path.cwd())

What cannot work is refused with one message per key that names key, value and what is allowed,
before anything is loaded or trained. Nothing here imports torch.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from pydantic import BaseModel, Field, ValidationError, create_model

from polyak import files
from polyak.averaging.scheme import Intervals
from polyak.config import choices
from polyak.config.choices import Choice
from polyak.config.schema import CHOICES, Averaging, Config
from polyak.config.values import wrong as impossible
from polyak.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


def parse(values: Any, *, caller: Path) -> Config:
    """The typed configuration of plain `values`; relative paths are below `caller`.

    Raises ConfigError with one line per wrong key: its name, its value, what is allowed.
    """
    wrong = impossible(values)
    if wrong:
        raise ConfigError("\n".join(wrong))
    if isinstance(values, Mapping):  # what is recorded of a run has none
        values = {"tracking": {"_target_": choices.listed("tracking")["none"]}, **values}
    chosen = {keys: _choice(keys, keys[-1], values, wrong) for keys in CHOICES}
    fields: dict[str, Any] = {keys[0]: (kind, ...) for keys, kind in chosen.items()}
    fields["tracking"] = (fields["tracking"][0], Field(exclude=True))
    scheme: Any = fields["averaging"]
    fields["averaging"] = (create_model("Averaging", __base__=Averaging, scheme=scheme), ...)
    made: type[Config] = create_model("Config", __base__=Config, **fields)
    config = _validated(made, values, caller, wrong)
    _check_together(config)
    return config


def parse_choice(group: str, values: Mapping[str, Any], *, caller: Path) -> Any:
    """The object that the `values` of one choice describe, `_target_` among them. Raises
    ConfigError as `parse` does."""
    wrong = impossible(values)
    if wrong:
        raise ConfigError("\n".join(wrong))
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
    except OSError as error:  # a file's name that is too long
        wrong.append(f"{files.shown(error.filename)}: {error.strerror}")
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
        wrong.append(f"{'.'.join([*keys, '_target_'])} = {_shown(target)}: {error}")
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
    key = files.printable(".".join(map(str, details["loc"])))
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "literal_error":
        return f"{key} = {_shown(details['input'])}: allowed: {details['ctx']['expected']}"
    if details["type"] == "extra_forbidden":
        return f"{key} = {files.shown(details['input'])}: there is no such key in this choice"
    if details["type"] == "missing":
        return f"{key}: this key is missing"
    return f"{key} = {files.shown(details['input'])}: {message[0].lower()}{message[1:]}"


def _shown(value: object) -> str:
    """As it is written on the command line, without quotes."""
    return files.shown(value)[1:-1] if isinstance(value, str) else files.shown(value)


def _check_together(config: Config) -> None:
    averaging, end, key = config.averaging, config.training.epochs, "training.epochs"
    if averaging.end is not None:
        if averaging.end > end:
            raise ConfigError(f"averaging.end = {averaging.end}: allowed: at most {key} = {end}")
        end, key = averaging.end, "averaging.end"
    if averaging.start >= end:
        raise ConfigError(f"averaging.start = {averaging.start}: allowed: below {key} = {end}")
    _check_schedule(config)
    data = config.resolved["dataset"]
    if data["split_seed"] is not None and not data["validation"]:
        raise ConfigError(
            f"dataset.split_seed = {data['split_seed']}: there is no validation split to draw; "
            "allowed: null, or with dataset.validation above 0, say 0.1"
        )
    scheme = config.scheme
    _check_recording(config)
    if averaging.running and not scheme.running:
        raise ConfigError(
            f"averaging.running = True: allowed: not with {scheme.name}, "
            "which weights the window as a whole"
        )
    if scheme.needs_validation:
        if not data["validation"]:
            raise ConfigError(
                f"averaging.scheme = {scheme.name}: needs a validation split to choose on; "
                "allowed: with dataset.validation above 0, say 0.1"
            )
        return
    try:
        if not config.of_recording:
            scheme.weights(config.window)
        elif scheme.needs_steps:  # `config.build` checks the rest: it knows the steps of an epoch
            scheme.over_steps(Intervals([range(1)], 1, means=True))
    except ValueError as error:
        raise ConfigError(f"averaging.scheme.{error}") from None


def _check_recording(config: Config) -> None:
    averaging, scheme, recording = config.averaging, config.scheme, config.recording
    if averaging.of == "steps" and not recording.means:
        who = f"averaging = {scheme.name}" if scheme.needs_steps else "averaging.of = steps"
        other = "" if scheme.needs_steps else ", or averaging.of=checkpoints"
        raise ConfigError(
            f"{who}: no means over steps are recorded; allowed: with recording=means{other} (a run "
            "that is there is trained again for them, to the same weights, by --again RUN "
            "recording=means ...)"
        )
    if scheme.needs_steps and averaging.of != "steps":
        raise ConfigError(
            f"averaging.of = {averaging.of}: {scheme.name} weights steps; allowed: steps"
        )
    if isinstance(averaging.start, float) and not config.of_recording:
        raise ConfigError(
            f"averaging.start = {averaging.start}: checkpoints are recorded at epochs' ends; "
            "allowed: a whole number, or with recording.every=0.5 or the like"
        )
    if averaging.stride > 1 and config.of_recording:
        raise ConfigError(
            f"averaging.stride = {averaging.stride}: is of epochs' checkpoints; allowed: 1 where "
            "more is averaged, or recording=epochs with averaging.of=checkpoints"
        )


def _check_schedule(config: Config) -> None:
    schedule, window = config.learning_rates, config.window
    try:
        schedule.factor(0.0, config.training.epochs)
        getattr(schedule, "check", lambda epochs: None)(config.training.epochs)
    except ValueError as error:
        raise ConfigError(f"schedule.{error}") from error
    ends = getattr(schedule, "cycle_ends", lambda epochs: range(epochs))(config.training.epochs)
    if not set(ends) & set(window):
        shown = ", ".join(map(str, ends[:3])) + ", ..." * (len(ends) > 3)
        raise ConfigError(
            f"averaging.start = {window.start}, averaging.stride = {window.step}: no cycle of the "
            f"schedule ends in the window; cycles end at epochs {shown}"
        )
