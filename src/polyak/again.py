"""A finished run once more, with something changed, without spelling out its configuration.

python src/train.py --again outputs/runs/NAME averaging.start=5
"""

from pathlib import Path

from omegaconf import OmegaConf

from polyak.errors import ConfigError

OPTION = "--again"


def expand(arguments: list[str]) -> list[str]:
    """The command line with `--again RUN` replaced by the overrides that RUN was started with.

    A key given anew replaces RUN's; its name is not taken over. Raises ConfigError where RUN is no
    run's directory.
    """
    if OPTION not in arguments:
        return arguments
    place = arguments.index(OPTION)
    rest = arguments[:place] + arguments[place + 2 :]
    if place + 1 == len(arguments):
        raise ConfigError(f"{OPTION}: give it a run's directory")
    path = Path(arguments[place + 1]) / ".hydra" / "overrides.yaml"
    if not path.is_file():
        raise ConfigError(f"{OPTION} {arguments[place + 1]}: there is no {path}")
    given = {_key(one) for one in rest} | {"name"}
    before = [str(one) for one in OmegaConf.load(path)]
    # An experiment may be a named sweep: this is one run of it, unless a sweep is asked for.
    single = [] if {"-m", "--multirun"} & set(rest) else ["hydra.mode=RUN"]
    kept = [one for one in before if _key(one) not in given]
    return [*kept, *([] if "name" in map(_key, rest) else ["name=null"]), *single, *rest]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
