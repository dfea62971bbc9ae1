"""Composing the points of a sweep: each once, and what the choices decide once for all of them.

    compose_once()      # before Hydra begins a sweep

Hydra composes every point from its files before the first one runs, to see that it can be, and
again to run it, each time in a tenth of a second. Which files it takes is decided by the choices
(group=option); the values of keys are put in after that.
"""

import copy
import functools
from collections.abc import Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

MOST_KEPT = 16
"""Combinations of choices of which the composed configuration is kept."""

_compose_each = Sweeper.validate_batch_is_legal


def compose_once() -> None:
    """Let Hydra's sweepers in this process do so."""
    Sweeper.validate_batch_is_legal = _compose_one_of_each  # type: ignore[method-assign]


def _compose_one_of_each(self: Sweeper, batch: Sequence[Sequence[str]]) -> None:
    """Raise as Hydra does where points can't be composed, having composed one of each choices."""
    assert self.hydra_context is not None
    loader = self.hydra_context.config_loader
    composer = Composer(loader)
    first: dict[tuple[str, ...], Sequence[str]] = {}
    for overrides in batch:
        first.setdefault(composer.choices(overrides), overrides)
    _compose_each(self, list(first.values()))
    if type(getattr(self, "launcher", None)).__name__ == "BasicLauncher":  # in this process
        loader.load_sweep_config = composer.compose  # type: ignore[method-assign]


class Composer:
    """Composes a sweep's points as `loader` does, of whose results it keeps those of the latest
    choices."""

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._is_choice = functools.cache(lambda name: bool(loader.get_group_options(name)))
        self._kept: dict[tuple[str, ...], DictConfig] = {}

    def choices(self, overrides: Sequence[str]) -> tuple[str, ...]:
        """Those of a point's overrides that are choices, not values of keys."""
        names = {one: one.partition("=")[0].lstrip("+~").partition("@")[0] for one in overrides}
        return tuple(one for one in overrides if self._is_choice(names[one]))

    def compose(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """What `loader.load_sweep_config` gives, and raises."""
        try:
            return self._with_values(master_config, sweep_overrides)
        except (HydraException, OmegaConfBaseException):
            return self._from_files(master_config, sweep_overrides)  # raises it as Hydra says it

    def _from_files(self, master: DictConfig, overrides: Sequence[str]) -> DictConfig:
        return type(self._loader).load_sweep_config(self._loader, master, list(overrides))

    def _with_values(self, master: DictConfig, overrides: Sequence[str]) -> DictConfig:
        chosen = self.choices(overrides)
        if chosen not in self._kept:
            if len(self._kept) == MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[chosen] = self._from_files(master, chosen)
        found = copy.deepcopy(self._kept[chosen])
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        ConfigLoaderImpl.validate_sweep_overrides_legal(parsed, RunMode.RUN, from_shell=True)
        values = [one for one in parsed if one.input_line not in chosen]
        ConfigLoaderImpl._apply_overrides_to_config(values, found)
        found.hydra.overrides.task = list(overrides)
        names = found.hydra.job.config.override_dirname
        found.hydra.job.override_dirname = get_overrides_dirname(
            parsed, names.exclude_keys, names.item_sep, names.kv_sep
        )
        OmegaConf.copy_cache(from_config=master, to_config=found)
        return found
