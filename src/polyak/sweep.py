"""A sweep around its runs: what its points are called, their threads, which of them failed.

`conf/config.yaml` has `Points` as a callback of Hydra's. Importing this module registers the
resolvers that `conf/` uses, as a parallel launcher's workers do when they receive the callback.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

from polyak import config as configuration

configuration.register()


class Points(Callback):
    """Names each point's directory by its swept values, and knows the sweep's directory."""

    directory: Path | None = None
    """Of the sweep that this process has begun."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Leave what isn't swept out of the names; values given take the place of an experiment's
        axis of the same key, where Hydra would run each combination of both."""
        Points.directory = Path(config.hydra.sweep.dir)
        given = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
        keys = {one.key_or_group for one in given}
        swept = {one.key_or_group for one in given if one.is_sweep_override()}
        with open_dict(config):
            for key in keys & set(config.hydra.sweeper.get("params") or {}):
                del config.hydra.sweeper.params[key]
            excluded = ",".join(f"'{key}'" for key in sorted(keys - swept))
            config.hydra.overrides.hydra.append(
                f"hydra.job.config.override_dirname.exclude_keys=[{excluded}]"
            )


def threads(launcher: DictConfig) -> int | None:
    """CPU threads for a run under this launcher where the user gave none: its share of the cores
    it may use. None: torch's choice, for one run at a time."""
    kind = str(launcher.get("_target_", "")).rpartition(".")[2]
    if kind == "JoblibLauncher":
        cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
        return max(1, cores // launcher.n_jobs) if launcher.n_jobs > 0 else 1
    if kind in ("LocalLauncher", "SlurmLauncher"):
        return max(1, launcher.get("cpus_per_task") or 1)
    if kind == "RayLauncher":
        return max(1, int(OmegaConf.select(launcher, "ray.remote.num_cpus") or 1))
    return None


def failures(directory: Path) -> list[str]:
    """One line for each point below `directory` that failed: where, and why."""
    found = []
    for path in sorted(directory.glob("*/failure.json")):
        try:
            reason = json.loads(path.read_text(encoding="utf-8"))["reason"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"its failure.json can't be read ({error})"
        found.append(f"{path.parent.name}: {reason}")
    return found
