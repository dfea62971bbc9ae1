"""A sweep around its runs: what its points are called, their threads, which of them failed.

`conf/config.yaml` has `Points` as a callback of Hydra's. Importing this module registers the
resolvers that `conf/` uses, as a parallel launcher's workers do when they receive the callback.
"""

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationResolutionError

from polyak.config.parse import parse, plain
from polyak.config.points import compose_once
from polyak.config.resolvers import point, register
from polyak.errors import PolyakError
from polyak.records import hydra
from polyak.records.failure import Failure
from polyak.records.reading import escaped
from polyak.runs.directory import check_same, check_usable

register()

MOST = 10_000
"""Points of a sweep."""


class Points(Callback):
    """Names each point's directory by its swept values, and knows the sweep's directory."""

    directory: Path | None = None
    """Of the sweep that this process has begun."""
    began: float = 0.0
    """When it has begun, in seconds since the epoch."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Exit before Hydra writes into a directory where this run can't be: it is not a run's to
        use, or another configuration's, or nothing can be run with this one."""
        with _exit():
            directory = Path(config.hydra.run.dir)
            check_usable(directory)
            own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
            check_same(directory, parse(plain(own), caller=Path.cwd()).resolved)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Exit before Hydra writes into a directory that is not a sweep's.

        Leave what isn't swept out of the names; values given take the place of an experiment's axis
        of the same key, where Hydra would run each combination of both.
        """
        with _exit():
            Points.directory, Points.began = Path(config.hydra.sweep.dir), time.time()
            _check_sweep(Points.directory)
        compose_once()
        given = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
        keys = {one.key_or_group for one in given}
        swept = {one.key_or_group for one in given if one.is_sweep_override()}
        with open_dict(config):
            for key in keys & set(config.hydra.sweeper.get("params") or {}):
                del config.hydra.sweeper.params[key]
            with _exit():
                _check_points(config.hydra)
            excluded = ",".join(f"'{key}'" for key in sorted(keys - swept))
            config.hydra.overrides.hydra.append(
                f"hydra.job.config.override_dirname.exclude_keys=[{excluded}]"
            )

    @classmethod
    def failures(cls) -> dict[str, str]:
        """Why points of the sweep that this process has begun failed now, or were killed, by name;
        none without a sweep."""
        found = {}
        for claim in sorted(cls.directory.glob("*/claim.json")) if cls.directory else []:
            point = claim.parent
            if claim.stat().st_mtime < cls.began - 1 or (point / "summary.json").exists():
                continue
            try:
                reason = Failure.read(point).reason
            except FileNotFoundError:
                reason = "ended without a word: it was killed, or the machine failed"
            except PolyakError as error:
                reason = str(error)
            found[point.name] = reason
        return found


def raise_quietly() -> None:
    """Let Hydra raise the error of a job that failed without a line before it."""

    def value(job: JobReturn) -> Any:
        if job.status == JobStatus.FAILED:
            raise job._return_value
        return job._return_value

    JobReturn.return_value = property(value, JobReturn.return_value.fset)  # type: ignore[method-assign,assignment,attr-defined]


@contextmanager
def _exit() -> Iterator[None]:
    """Exit with a message: Hydra makes a warning of any exception in a callback, and goes on."""
    try:
        yield
    except PolyakError as error:
        sys.exit(f"error: {error}")
    except InterpolationResolutionError as error:
        first_line = str(error).splitlines()[0]
        sys.exit(f"error: {first_line.rpartition('resolving interpolation: ')[2]}")


def _check_sweep(directory: Path) -> None:
    """Raise PolyakError where `directory` holds anything and is no sweep's."""
    ours = hydra.mentions(directory / hydra.SWEEP, "polyak.")
    if directory.is_dir() and not ours and any(directory.iterdir()):
        raise PolyakError(
            f"{directory}: holds files, and no sweep has made it; allowed: a new or empty "
            "directory, or a sweep's"
        )


def expected(directory: Path) -> tuple[list[str], tuple[str, ...]]:
    """Names of the points that a sweep's latest command was to run, and that command's overrides.

    Read from the multirun.yaml in its `directory`; raises PolyakError where that is not one.
    """
    path = directory / hydra.SWEEP
    try:
        found = hydra.sweep(directory)
        return _points(found.task, found.params), tuple(found.task)
    except FileNotFoundError:
        raise
    except PolyakError as error:
        raise PolyakError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except Exception as error:  # whatever Hydra's parser raises
        said = escaped(f"{type(error).__name__}: {error}".splitlines()[0])
        raise PolyakError(f"{path}: can't be read ({said})") from error


def _points(command: Sequence[str], params: Mapping[str, Any]) -> list[str]:
    """Names of the points of a sweep: of its command, and of the axes of its experiment."""
    axes = [f"{key}={value}" for key, value in params.items()]
    overrides = OverridesParser.create().parse_overrides([*axes, *command])
    if (count := math.prod(map(_values, overrides))) > MOST:
        raise PolyakError(f"a sweep of {count:,} points or more; allowed: at most {MOST:,}")
    # Of a key that is given twice, Hydra takes the last value, at the first one's place.
    swept = {one.get_key_element(): one.is_sweep_override() for one in overrides}
    names = []
    for number, job in enumerate(BasicSweeper.split_arguments(overrides, None)[0]):
        given = sorted(one for one, axis in zip(job, swept.values(), strict=True) if axis)
        names.append(point(",".join(given), number))
    return names


def _values(override: Override) -> int:
    """How many values an override takes, as far as `MOST` and one more."""
    value = override.value()
    values = value.range() if isinstance(value, RangeSweep) else getattr(value, "list", None)
    return sum(1 for _ in islice(values or [None], MOST + 1))


def _check_points(settings: Any) -> None:
    """Raise PolyakError where a point's directory is not a run's to use."""
    subdir = OmegaConf.to_container(settings.sweep, resolve=False)["subdir"]  # type: ignore[index,call-overload]
    if not str(subdir).startswith("${polyak.point:"):
        raise PolyakError(
            f"hydra.sweep.subdir = {subdir}: allowed: this project's own, which names a point by "
            "its swept values"
        )
    command = [str(one) for one in settings.overrides.task]
    for name in _points(command, settings.sweeper.get("params") or {}):
        check_usable(Path(settings.sweep.dir, name))


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
