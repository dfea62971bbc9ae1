"""A configuration composed as train.py's is, without Hydra taking over the process.

config = configured(["dataset=svhn", "training.device=cpu"])
"""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from polyak import files
from polyak.config import parse
from polyak.config.choices import ROOT
from polyak.config.resolvers import register
from polyak.config.schema import Config
from polyak.errors import ConfigError


def configured(overrides: Sequence[str]) -> Config:
    """The configuration that train.py would have with those `overrides`. Raises ConfigError."""
    register()
    try:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            composed = compose("config", list(overrides))
    except (HydraException, OmegaConfBaseException, RecursionError, ValueError) as error:
        raise ConfigError(explain(error)) from None
    except (OSError, TypeError) as error:  # of options that are lists, or no names of files
        raise ConfigError(
            f"{files.shown(' '.join(overrides), 200)}: allowed: group=option and key=value "
            f"({files.shown(str(error), 100)})"
        ) from None
    return parse.parse(parse.plain(composed), caller=Path.cwd())


def explain(error: BaseException) -> str:
    """Hydra's and OmegaConf's error in one line: key, value and what is allowed, where it knows."""
    if isinstance(error, RecursionError):
        return "the configuration is nested too deep to be read; give fewer levels"
    text = str(error)
    if "integer string conversion" in text:
        return "a number has thousands of digits; allowed: integers below 2**63"
    if found := re.search(r"Could not override '([^']+)'", text):
        return f"{found[1]}: there is no such key; train.py --help lists keys and choices"
    if found := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        options = re.search(r"Available options[^\n]*:\n(.*?)(\n\w|\Z)", text, re.DOTALL)
        allowed = ", ".join(options[1].split()) if options else "the files of conf/"
        return f"{found[1]} = {found[2]}: allowed: {allowed}"
    if found := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{found[1]}: several values need --multirun"
    causes = [error, error.__cause__] if error.__cause__ else [error]
    return "\n".join(files.printable(str(one).splitlines()[0]) for one in causes if str(one))
