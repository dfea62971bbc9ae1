"""The choices of a config group: one file of code and one YAML each, and no list of them.

    choices.check("optimizer", "polyak.training.optimizers.sgd.SGD")   # its parameters, as a model
    choices.make("scheme", {"_target_": "...exponential.Exponential", "decay": 0.8})

A `_target_` is accepted where it is defined in the group's own package, or is a class of the
library that the group admits. So a stranger's YAML can't call anything else.
"""

import functools
import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from polyak.config import signatures
from polyak.config.signatures import REQUIRED, Parameter
from polyak.errors import ConfigError
from polyak.parameters import CountOrShare, LearningRate, Mean, Seed, StandardDeviation

STRICT = ConfigDict(
    extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True, frozen=True
)
ROOT = Path(__file__).resolve().parents[3]
"""The repository, where `conf/` and `outputs/` are."""
_SOURCES = Path(__file__).resolve().parents[2]


class Choice(BaseModel):
    """A checked choice: its target, and its values as attributes of their own names."""

    model_config = STRICT
    target: str = Field(alias="_target_")


@dataclass(frozen=True)
class Group:
    """Where a group's choices are defined, what a definition must take that no YAML gives, what is
    asked of every choice's YAML, and the package of another library whose classes are choices too.

    `beside` are the keys (type and default) that every choice's YAML may have for others to read:
    the choice isn't given them. `named` is the only name that is a choice; None: every public one.
    """

    package: str
    given: tuple[str, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Parameter] = field(default_factory=dict)
    library: str | None = None
    named: str | None = None


GROUPS: Mapping[str, Group] = {
    "dataset": Group(
        "polyak.data",
        beside={
            "validation": Parameter(CountOrShare, REQUIRED),
            "split_seed": Parameter(Seed | None, None),
            "mean": Parameter(Mean, 0.5),
            "std": Parameter(StandardDeviation, 0.5),
        },
        named="load",
    ),
    "augmentation": Group("polyak.data.augmentations"),
    "model": Group("polyak.models", given=("input_shape", "classes")),
    "optimizer": Group(
        "polyak.training.optimizers",
        given=("params",),
        own={"lr": LearningRate},
        library="torch.optim",
    ),
    "schedule": Group(
        "polyak.training.schedules",
        beside={"per": Parameter(Literal["epoch", "step"], "epoch")},
    ),
    "scheme": Group("polyak.averaging.schemes"),
    "tracking": Group("polyak.tracking.backends"),
}


@functools.lru_cache(maxsize=64)
def check(group: str, target: str) -> type[Choice]:
    """The pydantic model of a choice. Raises ConfigError where the group has no such choice, and
    TypeError where its source says no type for a parameter that a YAML file gives."""
    wanted = GROUPS[group]
    found = _own(wanted, target)
    if found is None:
        found = _of_library(wanted, target)
    if found is None or not set(wanted.given) <= set(found):
        raise ConfigError(f"allowed: {_allowed(group)}")
    untyped = [name for name in found if found[name].type is None and name not in wanted.given]
    if untyped:
        raise TypeError(f"{target}: {untyped[0]} needs a type of polyak.parameters")
    fields: dict[str, Any] = {
        name: (parameter.type, Field() if parameter.default is REQUIRED else parameter.default)
        for name, parameter in (found | dict(wanted.beside)).items()
        if name not in wanted.given
    }
    fields |= {name: (type_, Field()) for name, type_ in wanted.own.items()}
    made: type[Choice] = create_model(target.rpartition(".")[2], __base__=Choice, **fields)
    return made


def make(group: str, values: Mapping[str, Any], *, partial: bool = False) -> Any:
    """The object that checked `values` describe; with `partial`, the call that is still to be made
    with what no YAML gives."""
    others = ("_target_", *GROUPS[group].beside)
    arguments = {key: value for key, value in values.items() if key not in others}
    module, _, name = values["_target_"].rpartition(".")
    called = getattr(importlib.import_module(module), name)
    return functools.partial(called, **arguments) if partial else called(**arguments)


def listed(group: str) -> dict[str, str]:
    """The group's own choices: the name of each file, and the target in it."""
    wanted = GROUPS[group]
    found = {}
    for path in sorted((_SOURCES / wanted.package.replace(".", "/")).glob("[a-z]*.py")):
        for name in signatures.definitions(path):
            target = f"{wanted.package}.{path.stem}.{name}"
            taken = _own(wanted, target)
            if taken is not None and set(wanted.given) <= set(taken):
                found[path.stem] = target
    return found


def _allowed(group: str) -> str:
    library = GROUPS[group].library
    names = [*listed(group).values(), *([f"a class of {library}"] if library else [])]
    return ", ".join(names)


def _own(group: Group, target: str) -> dict[str, Parameter] | None:
    """The parameters of a definition in the group's package; None where there is none."""
    package, _, rest = target.partition(f"{group.package}.")
    file, _, name = rest.partition(".")
    if package or not file.isidentifier() or not name.isidentifier() or name.startswith("_"):
        return None
    if group.named not in (None, name):
        return None
    path = _SOURCES.joinpath(*group.package.split("."), f"{file}.py")
    return signatures.parameters(path, name)


def _of_library(group: Group, target: str) -> dict[str, Parameter] | None:
    """The parameters of a class of torch.optim, which this imports; None where it is none."""
    package, _, name = target.rpartition(".")
    if group.library is None or package != group.library or not name.isidentifier():
        return None
    library = importlib.import_module(group.library)
    found = getattr(library, name, None)
    if not (inspect.isclass(found) and issubclass(found, library.Optimizer)):
        return None
    step: Any = getattr(found, "step", None)
    closure = inspect.signature(step).parameters.get("closure")
    if closure is None or closure.default is closure.empty:
        return None  # LBFGS evaluates the model itself, several times per step
    hints = get_type_hints(found.__init__)
    known = (int, float, bool, str, tuple[float, float])
    return {
        parameter.name: Parameter(
            type=hint if (hint := hints.get(parameter.name)) in known else Any,
            default=REQUIRED if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in list(inspect.signature(found).parameters.values())
    }
