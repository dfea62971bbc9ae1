"""What `conf/` asks of this project while Hydra composes: `${polyak.root:}` and the names of
directories.

    register()
"""

import hashlib
import os
import re
from datetime import datetime

from omegaconf import OmegaConf

from polyak.config.choices import ROOT
from polyak.config.schema import file_name
from polyak.errors import ConfigError


def register() -> None:
    """Tell OmegaConf the resolvers: the repository's root, a unique name, a sweep point's name."""
    OmegaConf.register_new_resolver("polyak.root", lambda: str(ROOT), replace=True)
    OmegaConf.register_new_resolver("polyak.unique", unique, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("polyak.point", point, replace=True)


def unique(name: str | None) -> str:
    """The directory's name of a run or sweep: `name`, or else the time and process. Hydra asks for
    it before it makes the directory: a ConfigError leaves nothing behind."""
    if name is None:
        return f"{datetime.now():%Y-%m-%d_%H-%M-%S.%f}_{os.getpid()}"
    try:
        return file_name(str(name))
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
