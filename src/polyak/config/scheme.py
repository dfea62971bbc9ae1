"""A scheme by its name and parameters: as `averaging=NAME averaging.scheme.KEY=VALUE` gives it.

named("exponential", {"decay": 0.8})
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyak.averaging.scheme import Scheme
from polyak.config import choices
from polyak.config.parse import parse_choice
from polyak.errors import ConfigError


def named(name: str, values: Mapping[str, Any]) -> Scheme:
    """That scheme. Raises ConfigError, with a line per wrong key, for another name ("NAME: ...") or
    other parameters ("KEY = VALUE: ...")."""
    made: Scheme = parse_choice("scheme", described(name, values), caller=Path.cwd())
    return made


def described(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """As a configuration has it. Raises ConfigError for a name that no scheme has."""
    known = choices.listed("scheme")
    if name not in known:
        raise ConfigError(f"{name}: allowed: {', '.join(known)}")
    return {"_target_": known[name], **values}
