"""Weights & Biases: `tracking=wandb`, then `wandb sync`; or `tracking.mode=online`."""

import errno
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from polyak import files
from polyak.parameters import Directory, Label
from polyak.tracking.backend import Origin, Outcome, Point, missing


@dataclass(frozen=True)
class WandB:
    """Offline, in `<run>/wandb/` or `<directory>/wandb/`; or online, in a project of an entity."""

    name: ClassVar[str] = "wandb"
    project: Label = "polyak"
    entity: Label | None = None
    mode: Literal["offline", "online"] = "offline"
    directory: Directory | None = None

    def check(self) -> None:
        """Raise ConfigError where wandb can't be imported."""
        try:
            import wandb  # noqa: F401
        except ImportError as error:
            raise missing(self.name, error) from error

    def open(self, origin: Origin) -> "_Run":
        """A run whose id is the identity; of the same one, offline, what was there is removed."""
        import wandb

        folder = Path(self.directory or origin.directory)
        files.real_directory(folder / "wandb")
        _remove_offline(folder / "wandb", origin.identity)
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):  # it would write to the temporary directory instead
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        # What it would send beyond what is logged: the console, code, host and its load.
        quiet = {"console": "off", "disable_git": True, "disable_code": True, "save_code": False}
        machine = {"x_disable_stats": True, "x_disable_meta": True}
        run = wandb.init(
            project=self.project,
            entity=self.entity,
            id=origin.identity,
            name=origin.name,
            dir=str(folder),
            mode=self.mode,
            config=dict(origin.parameters),
            resume="allow" if self.mode == "online" else None,
            settings=wandb.Settings(silent=True, **quiet, **machine),
        )
        return _Run(run)


class _Run:
    """Steps are counted here, the same each time: those that the server has, it leaves out."""

    def __init__(self, run: Any) -> None:
        self._run, self._step = run, 0
        self._known: set[str] = set()

    def log(self, point: Point) -> None:
        for name in point.values.keys() - self._known:
            self._run.define_metric(name, step_metric=point.axis)
        self._known |= point.values.keys()
        self._log({point.axis: point.at, **point.values})

    def finish(self, outcome: Outcome) -> None:
        import wandb

        self._run.config.update(dict(outcome.tags), allow_val_change=True)
        self._run.summary.update(dict(outcome.scores))
        if outcome.images:
            self._log({name: wandb.Image(str(path)) for name, path in outcome.images.items()})

    def close(self, complete: bool) -> None:
        self._run.finish(exit_code=0 if complete else 1)

    def _log(self, values: dict[str, Any]) -> None:
        self._run.log(values, step=self._step)
        self._step += 1


def _remove_offline(folder: Path, identity: str) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if re.fullmatch(rf"offline-run-\d{{8}}_\d{{6}}-{identity}(-\d+)?", path.name):
            files.real_directory(path)
            shutil.rmtree(path)
