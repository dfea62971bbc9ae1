"""The step means that a recording has, found again in its files.

recorded = window(manifest, start=10.5, end=20)
mean_of_files(recorded.files(manifest.directory), weights)
"""

import re

from polyak.errors import ConfigError, StoreError
from polyak.runs.recorded import RecordedWindow
from polyak.store import paths
from polyak.store.manifest import Manifest
from polyak.store.record_index import RecordIndex
from polyak.store.recording import Recording


def window(manifest: Manifest, start: float, end: int) -> RecordedWindow:
    """The step means of the window [start, end), in epochs.

    Raises ConfigError where none were recorded, or `start` is inside an interval; StoreError where
    one is missing or not as recorded.
    """
    recording, steps = _found(manifest)
    found = RecordedWindow.of(recording, start, end, steps, means=True)
    folder = paths.recordings(manifest.directory, recording.name)
    index = RecordIndex.read(folder)
    for steps_of, path in zip(found.intervals.steps, found.files(manifest.directory), strict=True):
        if not index.intact(path.name, manifest.weights(steps_of[-1] // steps)):
            raise StoreError(
                f"{path}: is missing, or not as it was recorded; allowed: another window"
            )
    return found


def _found(manifest: Manifest) -> tuple[Recording, int]:
    """The finest recording that has means, and how many steps an epoch has."""
    found = []
    for folder in sorted((manifest.directory / "recordings").glob("*")):
        recording = _named(folder.name)
        last = manifest.weights(manifest.trained - 1)
        ends = [
            one.end
            for one in RecordIndex.read(folder).entries.values()
            if one.file.startswith("mean_") and one.epoch_weights_sha256 == last
        ]
        if recording and ends and max(ends) % manifest.trained == 0:
            steps = max(ends) // manifest.trained
            found.append((len(recording.ends(steps)), recording.name, recording, steps))
    if not found:
        raise ConfigError(
            f'{manifest.directory}: has no step means; allowed: of="checkpoints", or a training '
            "recorded with means=True and steps_per_epoch, its recorder's `step` called after each"
        )
    *_, recording, steps = max(found, key=lambda one: one[:2])
    return recording, steps


def _named(folder: str) -> Recording | None:
    """The recording whose folder has that name."""
    if match := re.fullmatch(r"every_([1-9]\d{0,8})_steps", folder):
        every: int | float = int(match[1])
    elif match := re.fullmatch(r"([1-9]\d{0,3})_per_epoch", folder):
        every = 1 / int(match[1])
    elif match := re.fullmatch(r"every_(0\.\d{1,20})_epochs", folder):
        every = max(float(match[1]), 0.0001)
    else:
        return None
    found = Recording(every, means=True)
    return found if found.name == folder else None
