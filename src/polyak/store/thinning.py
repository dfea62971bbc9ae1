"""Keep of recordings what the best windows need: retention that only scores can decide.

    print(thin(entry, best=3, delete=False).text)

The windows are those of the windows.csv of its runs, the best by validation accuracy; each names
whole epochs. Checkpoints at epochs' ends, and all that any directory has a link to, stay.
"""

from pathlib import Path

from filelock import FileLock, Timeout

from polyak.errors import StoreError
from polyak.records import summary
from polyak.records.summary import Summary
from polyak.records.windows import TABLE
from polyak.store import paths
from polyak.store.maintenance import Entry, Outcome, each_alone
from polyak.store.manifest import Manifest
from polyak.store.record_index import RecordIndex


@each_alone
def thin(entry: Entry, *, best: int, delete: bool) -> Outcome:
    """Remove what a trajectory's recordings have of epochs in none of the `best` windows of any of
    its runs, or without `delete` say what would be removed. Nothing goes where no run has windows
    with validation scores; a run that needs what is removed trains its epochs again."""
    recordings, manifest = sorted(entry.directory.glob("recordings/*")), entry.manifest
    if not manifest:
        raise StoreError(entry.error)
    if not recordings:
        return Outcome("")
    paths.check_trajectory(entry.directory)
    name = entry.directory.name
    epochs = {epoch for run in entry.runs() for epoch in _epochs(run, best, manifest)}
    if not epochs:
        return Outcome(
            f"{name}: kept, none of its runs has windows with validation scores; allowed: to give "
            "a run dataset.validation, then python -m polyak windows RUN"
        )
    try:
        with FileLock(entry.directory.with_name(f"{name}.lock")).acquire(timeout=0):
            count, size = 0, 0
            for recording in recordings:
                found = _thinned(recording, manifest, epochs, delete=delete)
                count, size = count + len(found), size + sum(found)
    except Timeout:
        raise StoreError("a run is using it") from None
    first, last = min(epochs), max(epochs)
    several = f"{len(epochs)} epochs from {first} to {last}"
    kept = f"the best windows are of {several if first < last else f'epoch {first}'}"
    if not count:
        return Outcome(f"{name}: nothing to remove; {kept}")
    done = "removed" if delete else "would be removed (add --yes)"
    return Outcome(f"{name}: {count} files, {size / 2**20:.1f}MB, {done}; {kept}")


def _epochs(run: Path, best: int, manifest: Manifest) -> set[int]:
    """Those of a run's best windows; none where it has no windows with validation scores, or its
    directory is another trajectory's by now. Raises StoreError for windows of other epochs."""
    there, fingerprint = (run / summary.NAME).exists(), manifest.values["fingerprint"]
    if there and Summary.read(run).fingerprint != fingerprint:
        return set()
    rows = [row for row in TABLE.read(run / TABLE.name) if row.split == "validation"]
    rows.sort(key=lambda row: (row.accuracy, -row.loss), reverse=True)
    if (end := max((row.end for row in rows), default=0)) > manifest.trained:
        raise StoreError(
            f"{run / TABLE.name}: has a window up to epoch {end - 1}, and there are "
            f"{manifest.trained} epochs; move it away, and repeat python -m polyak windows"
        )
    return {epoch for row in rows[:best] for epoch in range(row.start, row.end)}


def _thinned(recording: Path, manifest: Manifest, epochs: set[int], *, delete: bool) -> list[int]:
    """The sizes of the files that are removed."""
    index = RecordIndex.read(recording)
    wanted = {manifest.weights(epoch) for epoch in epochs}
    unwanted = {
        file for file, one in index.entries.items() if one.epoch_weights_sha256 not in wanted
    }
    found = index.removable(unwanted)
    # A thinning that was killed has left some that it had listed as removed.
    left = [path for path in index.unlisted() if path.lstat().st_nlink == 1]
    sizes = [path.lstat().st_size for path in [*(recording / one.file for one in found), *left]]
    if delete:
        index.remove(unwanted)
        for path in left:
            path.unlink()
    return sizes
