"""A configuration composed as train.py's is, without Hydra taking over the process.

config = configured(["dataset=svhn", "training.device=cpu"])
"""

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from polyak.config import schema
from polyak.errors import ConfigError


def configured(overrides: Sequence[str]) -> schema.Config:
    """The configuration that train.py would have with those `overrides`. Raises ConfigError."""
    schema.register()
    try:
        with initialize_config_dir(str(schema.ROOT / "conf"), version_base="1.3"):
            composed = compose("config", list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error).splitlines()[0]) from None
    return schema.parse(schema.plain(composed), caller=Path.cwd())
