"""What Hydra writes into the directories of runs and sweeps, as far as it is read back.

hydra.overrides(run)          # ["optimizer.lr=0.1", "seed=4"]
hydra.sweep(directory).task
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, RootModel

from polyak.errors import PolyakError
from polyak.records import reading
from polyak.records.part import Name, Part

OVERRIDES, CONFIG = Path(".hydra/overrides.yaml"), Path(".hydra/config.yaml")
SWEEP = "multirun.yaml"

Overrides = Annotated[list[str], Field(max_length=1000)]


class _Overrides(RootModel[Overrides]):
    pass


class _Config(RootModel[dict[str, Any]]):
    pass


class _Given(Part):
    task: Overrides


class _Sweeper(Part):
    params: dict[Name, str | int | float | bool | None] | None = None


class _Hydra(Part):
    overrides: _Given
    sweeper: _Sweeper = _Sweeper()


class _Multirun(Part):
    hydra: _Hydra


class Sweep(Part):
    """A sweep's latest command: its overrides, and the axes that its experiment adds."""

    task: list[str]
    params: Mapping[str, Any]


def overrides(run: Path) -> list[str]:
    """What the command line gave, of .hydra/overrides.yaml. Raises PolyakError, or
    FileNotFoundError where there is none, as all of these do."""
    return reading.yaml_of(run / OVERRIDES, _Overrides).root


def config(run: Path) -> dict[str, Any]:
    """The composed configuration, not resolved, of .hydra/config.yaml."""
    return reading.yaml_of(run / CONFIG, _Config).root


def sweep(directory: Path) -> Sweep:
    """The command of a sweep's multirun.yaml."""
    found = reading.yaml_of(directory / SWEEP, _Multirun).hydra
    return Sweep(task=found.overrides.task, params=found.sweeper.params or {})


def mentions(path: Path, word: str, *, or_empty: bool = False) -> bool:
    """Whether a file that Hydra has written has `word` in it; False where it can't be read."""
    try:
        lines = reading.lines(path)
    except (FileNotFoundError, PolyakError):
        return False
    return any(word in line for line in lines) or (or_empty and lines == [""])
