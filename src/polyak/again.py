"""A finished run once more, with something changed, without spelling out its configuration.

python src/train.py --again outputs/runs/NAME averaging.start=5
"""

from pathlib import Path

from omegaconf import OmegaConf

from polyak.errors import ConfigError

OPTION = "--again"
MULTIRUN = ("-m", "--multirun")


def expand(arguments: list[str]) -> list[str]:
    """The command line with `--again RUN` replaced by the overrides that RUN was started with.

    A key given anew replaces RUN's; its name is not taken over. --multirun comes first, since Hydra
    takes no option between overrides. Raises ConfigError where RUN is no run's directory.
    """
    flags = [one for one in arguments if one in MULTIRUN]
    rest = [one for one in arguments if one not in MULTIRUN]
    if OPTION not in rest:
        return flags + rest
    place = rest.index(OPTION)
    if place + 1 == len(rest):
        raise ConfigError(f"{OPTION}: give it a run's directory")
    run, rest = rest[place + 1], rest[:place] + rest[place + 2 :]
    path = Path(run) / ".hydra" / "overrides.yaml"
    if not path.is_file():
        raise ConfigError(f"{OPTION} {run}: there is no {path}")
    given = {_key(one) for one in rest}
    kept = [str(one) for one in OmegaConf.load(path) if _key(str(one)) not in {*given, "name"}]
    # The run's experiment may be a named sweep; this is one run, unless a sweep is asked for.
    anew = ["name=null"] if "name" not in given else []
    anew += ["hydra.mode=RUN"] if not flags else []
    return flags + kept + anew + rest


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
