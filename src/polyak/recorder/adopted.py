"""Makes a recording of checkpoints that are there already.

    polyak.adopt(sorted(Path("old").glob("*.pt")), "outputs/recorded/old_run",
                 settings={"lr": 0.1, "seed": 0})

Each file is an epoch, in the order given. No code in it is run, and it stays as it is: the
recording has copies, made with one tensor in memory at a time, or a link to a file that can't be
written to and has the form already.
"""

import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from polyak import files
from polyak.averaging.stream import average_files
from polyak.errors import CheckpointError, ConfigError, StoreError
from polyak.recorder import told
from polyak.recorder.directory import BEGAN, Directory, ingredients
from polyak.records import trajectory
from polyak.store import linked, paths
from polyak.weights import checkpoint
from polyak.weights.foreign import Source, open_source
from polyak.weights.layout import common_layout

log = logging.getLogger(__name__)

UNKNOWN = "0" * 64
"""In place of the weights that the training began with."""


def adopt(
    checkpoints: Iterable[str | os.PathLike[str]],
    directory: str | os.PathLike[str],
    *,
    settings: Mapping[str, Any],
) -> Path:
    """The directory of a recording whose epochs 0, 1, ... are these checkpoints: safetensors,
    sharded by their index, or torch.save's with a state dict in it. `settings` are a recorder's.

    Interrupted, or with further checkpoints at the end, the same call continues. It puts back files
    of the recording that are missing or changed, from the checkpoint whose weights were recorded.

    Raises CheckpointError, naming file and tensor, for checkpoints that can't be read, aren't of
    one model, or have values that aren't finite; ConfigError for settings that can't be; StoreError
    for a directory that isn't a recording's to use, or has other checkpoints.
    """
    given = [] if isinstance(checkpoints, str | os.PathLike) else [Path(one) for one in checkpoints]
    if not given:
        shown = files.shown(checkpoints) if isinstance(checkpoints, str | os.PathLike) else "[]"
        raise ConfigError(f"checkpoints = {shown}: allowed: one or more files, in their order")
    said = told.settings(settings)
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(path)) for path in given]
        layout = common_layout(sources, given)
        held = Directory(Path(directory).absolute(), ingredients(said, None, layout.entries))
        stack.callback(held.release)
        manifest = held.manifest
        if manifest.values.setdefault(BEGAN, UNKNOWN) != UNKNOWN:
            raise StoreError(
                f"{manifest.directory}: a recorder recorded it; allowed: another directory"
            )
        manifest.directory.mkdir(parents=True, exist_ok=True)
        if not (manifest.directory / trajectory.NAME).exists():
            manifest.write()
        rate = _rate(said.get("lr"))
        for epoch, (path, source) in enumerate(zip(given, sources, strict=True)):
            digest = checkpoint.digest_of(source.names, source.tensor)
            target, there = paths.checkpoint(manifest.directory, epoch), epoch < manifest.trained
            if there and manifest.weights(epoch) != digest:
                raise StoreError(
                    f"{manifest.directory}: its epoch {epoch} is not {path}; allowed: the "
                    "checkpoints that it has, then further ones, or another directory"
                )
            if there and manifest.intact(target):
                continue
            if path.resolve().is_relative_to(manifest.directory.resolve()):
                raise StoreError(
                    f"{path}: is in {manifest.directory}, where files that are no epoch yet are "
                    "written over; allowed: to move it elsewhere"
                )
            _take(path, source, target)
            if there:
                log.warning("%s: was missing or changed, and is put back from %s", target, path)
                manifest.record(target)
                linked.relink(manifest, target, epoch)
            else:
                of_epoch = {"epoch": epoch, "lr": rate, "loss": None, "accuracy": None}
                manifest.add({**of_epoch, "seconds": 0.0, "metrics": {}}, digest, target, {})
            manifest.append()
        if manifest.trained > len(given):
            raise StoreError(
                f"{manifest.directory}: has {manifest.trained} epochs, and {len(given)} "
                "checkpoints are given; allowed: all of them, or another directory"
            )
    return manifest.directory


def _take(path: Path, source: Source, target: Path) -> None:
    """Have the file's weights at `target`, read-only. A file that anyone may write to is copied:
    through a link, the recording would change with it. What was there goes last: a folder of the
    person's may have a link to it."""
    if path.name.endswith(".safetensors") and not path.stat().st_mode & 0o222:
        for name in source.names:
            if not bool(source.tensor(name).isfinite().all()):
                raise CheckpointError(
                    f"{path}: tensor {files.shown(name)} has values that are not finite; leave "
                    "this checkpoint out"
                )
        files.link(path.resolve(), target)
        return
    try:
        with files.atomic(target, read_only=True) as copy:
            average_files(copy, [path], metadata={"adopted": True})
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _rate(lr: Any) -> float | None:
    return float(lr) if type(lr) in (int, float) and lr >= 0 else None
