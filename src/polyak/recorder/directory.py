"""The directory of one training's recording: held by one recorder, and continued where it fits.

held = Directory(path, ingredients(settings, model, entries))
held.begin(checkpoint.digest(weights), restart=False)
held.manifest.trained       # the epoch that comes next
held.release()
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import nn

from polyak import files
from polyak.errors import ConfigError, StoreError
from polyak.recorder.wrapped import class_of
from polyak.records import trajectory
from polyak.records.summary import differing
from polyak.store import linked, paths
from polyak.store.fingerprint import fingerprint
from polyak.store.manifest import Manifest
from polyak.weights.layout import Entry

log = logging.getLogger(__name__)

BEGAN = "initial_weights_sha256"
"""The key, in trajectory.json, of the weights before the first epoch."""


def ingredients(
    settings: Mapping[str, Any], model: nn.Module, entries: Mapping[str, Entry]
) -> dict[str, Any]:
    """What the fingerprint of a recorded training is of: its settings, its model's class, and the
    names, dtypes and shapes of its weights."""
    found = class_of(model)
    return made_of(settings, f"{found.__module__}.{found.__qualname__}", entries)


def made_of(
    settings: Mapping[str, Any], model: str | None, entries: Mapping[str, Entry]
) -> dict[str, Any]:
    """The same of a model of that class, None where it isn't known, with those tensors."""
    layout = [[name, str(one.dtype), list(one.shape)] for name, one in entries.items()]
    seed = settings.get("seed")
    return {
        "settings": dict(settings),
        "seed": seed if type(seed) is int else None,
        "model": {
            "class": model,
            "layout_sha256": hashlib.sha256(json.dumps(layout).encode()).hexdigest(),
        },
    }


def lock_of(path: Path) -> FileLock:
    """What whoever works in a recording's directory holds: a file beside it."""
    return FileLock(path.with_name(f"{path.name}.lock"))


class Directory:
    """`path`, held until `release`, and its manifest. Raises StoreError as `Recorder` says."""

    def __init__(self, path: Path, made_of: dict[str, Any]) -> None:
        self._lock = lock_of(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"{path}: another recorder is at work here; give another directory"
            ) from None
        try:
            self.manifest = _opened(path, made_of)
        except BaseException:
            self._lock.release()
            raise

    @property
    def began(self) -> str:
        """SHA-256 of the weights that the epoch after the last one begins with."""
        epochs, values = self.manifest.trained, self.manifest.values
        return self.manifest.weights(epochs - 1) if epochs else str(values[BEGAN])

    def begin(self, weights: str, *, restart: bool, within: str | None, whole: bool) -> None:
        """Be ready for the epoch after the one with those weights (their SHA-256), or to go on in
        the midst of the epoch that began with those of `within`; later epochs are dropped.

        Raises ConfigError for the midst of an epoch where epochs must be `whole`.
        """
        inside = self._inside(weights, within)
        if inside and whole:
            raise ConfigError(
                f"{self.manifest.directory}: the model is in the midst of an epoch, whose steps "
                "can't be recorded any more; allowed: to go on from an epoch's end, or neither "
                "every nor means"
            )
        weights = within if within and inside else weights
        manifest = self.manifest
        path, trained = manifest.directory, manifest.trained
        if trained == 0:
            manifest.values[BEGAN] = weights
            path.mkdir(parents=True, exist_ok=True)
            manifest.write()
            return
        afters = [epoch + 1 for epoch in range(trained) if manifest.weights(epoch) == weights]
        if afters and not restart:
            self._keep(afters[-1])
        elif not afters and manifest.values.get(BEGAN) != weights and not restart:
            raise StoreError(
                f"{path}: has epochs 0..{trained - 1}, and the model has the weights of none of "
                "them; allowed: to load those that your training goes on from before the recorder "
                f"is made (those of the last epoch are {paths.checkpoint(path, trained - 1)}), "
                "restart=True, which drops these epochs, or another directory"
            )
        elif not (restart or inside):
            raise StoreError(
                f"{path}: this training was recorded before, epochs 0..{trained - 1}, and the "
                "model is at its beginning; allowed: to go on from a later epoch's weights, "
                "restart=True, which drops these epochs, or another directory"
            )
        else:
            self._keep(0)
            manifest.values[BEGAN] = weights
            manifest.write()

    @property
    def held(self) -> bool:
        """Whether nobody else can have it now."""
        return bool(self._lock.is_locked)

    def release(self) -> None:
        """Let others have it."""
        if self._lock.is_locked:
            self.manifest.fold()
            self._lock.release()

    def _inside(self, weights: str, within: str | None) -> bool:
        manifest = self.manifest
        known = {manifest.weights(epoch) for epoch in range(manifest.trained)}
        known.add(manifest.values.get(BEGAN, ""))
        return weights not in known and isinstance(within, str) and within in known

    def _keep(self, count: int) -> None:
        manifest = self.manifest
        if count == manifest.trained:
            return
        if runs := linked.runs(manifest.directory):
            raise StoreError(
                f"{manifest.directory}: its epochs are averaged in {runs[0]}, and so can't be "
                "dropped; give another directory"
            )
        log.warning(
            "%s: epochs %d..%d are dropped: the training goes on from %s",
            *(manifest.directory, count, manifest.trained - 1),
            f"epoch {count - 1}'s weights" if count else "its beginning",
        )
        manifest.keep(count)


def _opened(path: Path, made_of: dict[str, Any]) -> Manifest:
    paths.check_trajectory(path)
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise StoreError(f"{path}: is a link or a file; allowed: a directory")
    files.remove_half_written(path, paths.TRAJECTORY)
    if not (path / trajectory.NAME).exists():
        if path.exists() and any(path.iterdir()):
            raise StoreError(
                f"{path}: holds files, and no recording; allowed: a new or empty directory"
            )
        return Manifest.read(path, fingerprint(made_of), made_of)
    manifest = Manifest.open(path)
    if keys := differing(manifest.values["ingredients"], made_of):
        raise StoreError(
            f"{path}: was recorded with another {', '.join(map(files.printable, keys))}; allowed: "
            "the same settings and model, or another directory"
        )
    return manifest
