"""A run repeated with something changed, without spelling out its configuration.

    python src/train.py --again outputs/runs/NAME averaging.start=5

The run's directory may be a stranger's: of what it was started with, only keys of our own config
are inherited, never Hydra's, which can name code to call, never options, and no tracking, which
can send the run elsewhere.
"""

import re
from pathlib import Path

from polyak.config.schema import CHOICES
from polyak.errors import ConfigError, PolyakError
from polyak.records import hydra
from polyak.records.summary import NAME, Summary, flat

OPTION = "--again"
MULTIRUN = ("-m", "--multirun")

_GROUPS = "|".join(sorted({keys[0] for keys in CHOICES} - {"tracking"} | {"recording"}))
_OURS = re.compile(
    r"(\+\+?|~)?"
    rf"((experiment|{_GROUPS})(=[\w,]+(/[\w,]+)*)?"  # a choice in conf/
    rf"|({_GROUPS}|training|paths)\.[\w.]+(=.*)?|seed=.*)",
    re.DOTALL,
)
"""An override that may be inherited from a run."""


def expand(arguments: list[str]) -> list[str]:
    """The command line with `--again RUN` replaced by the overrides that RUN was started with.

    A key that is given replaces RUN's; its name is not inherited. --multirun comes first, since
    Hydra takes no option between overrides. Raises ConfigError where RUN is no run's directory.
    """
    flags = [one for one in arguments if one in MULTIRUN]
    rest = [one for one in arguments if one not in MULTIRUN]
    if OPTION not in rest:
        return flags + rest
    place = rest.index(OPTION)
    if place + 1 == len(rest):
        raise ConfigError(f"{OPTION}: give it a run's directory")
    run, rest = rest[place + 1], rest[:place] + rest[place + 2 :]
    given = {_key(one) for one in rest}
    kept = [one for one in _overrides(Path(run)) if _OURS.fullmatch(one) and _key(one) not in given]
    # The run's experiment may be a named sweep; this is one run, unless a sweep is asked for.
    reset = ["name=null"] if "name" not in given else []
    reset += ["hydra.mode=RUN"] if not flags else []
    return flags + kept + reset + rest


def _overrides(run: Path) -> list[str]:
    """What a run was started with: as its summary.json says, since a later command may have been
    refused after Hydra had overwritten .hydra/; of an unfinished run, as .hydra/ says."""
    if (run / NAME).exists():
        summary = Summary.read(run)
        values = flat(summary.config)
        return [_absolute(one, values.get(_key(one))) for one in summary.overrides]
    try:
        return hydra.overrides(run)
    except FileNotFoundError:
        wanted = f"{run / hydra.OVERRIDES}" if run.is_dir() else "such directory"
        raise ConfigError(f"{OPTION} {run}: there is no {wanted}; give a run's directory") from None
    except PolyakError as error:
        raise ConfigError(f"{OPTION} {run}: {error}") from None


def _absolute(override: str, value: object) -> str:
    """With the absolute path that its key had in the run, where it gave a relative one: that was
    below the directory where the run was started."""
    key, _, given = override.partition("=")
    if not isinstance(value, str) or not Path(value).is_absolute() or given.startswith(("/", "'")):
        return override
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{quoted}'"


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
