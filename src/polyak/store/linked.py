"""The run directories that have links to a trajectory's files: its runs.txt, a path per line.

linked.note(trajectory, run)         # before the run gets links
linked.runs(trajectory)              # those that still have some
linked.relink(manifest, path, 3)     # a file of epoch 3 was put back: the runs have it, too
"""

from collections.abc import Mapping
from pathlib import Path

from polyak import files
from polyak.errors import PolyakError, StoreError
from polyak.records import summary, trajectory
from polyak.records.claim import Claim
from polyak.records.summary import Summary
from polyak.store import paths
from polyak.store.manifest import Manifest


def runs(directory: Path) -> list[Path]:
    """The run directories that were noted of a trajectory and still have files of it."""
    return [run for run in _noted(directory) if (run / "checkpoints").is_dir()]


def note(directory: Path, run: Path | None) -> None:
    """Note a run's directory before it gets links."""
    noted = _noted(directory)
    if run is not None and run.absolute() not in noted:
        trajectory.note_runs(directory, [str(one) for one in [*noted, run.absolute()]])


def relink(manifest: Manifest, path: Path, epoch: int) -> None:
    """Give the runs that have an older version of an epoch's file the one that is there now."""
    for run in runs(manifest.directory):
        keys = _evaluation_keys(run, manifest.values["fingerprint"])
        if keys is None:
            continue
        if path.parent.name == "checkpoints":
            links = [paths.checkpoint(run, epoch)]
        elif path.parent.parent.name == "recordings":
            links = [run / path.relative_to(manifest.directory)]
        else:
            links = [
                paths.predictions(run, split, epoch)
                for split, key in keys.items()
                if key == path.parent.name
            ]
        for link in links:
            if link.exists():
                files.link(path, link)


def _noted(directory: Path) -> list[Path]:
    try:
        return [Path(line) for line in trajectory.noted_runs(directory)]
    except PolyakError as error:
        raise StoreError(f"{error}; move {directory} away") from error


def _evaluation_keys(run: Path, fingerprint: str) -> Mapping[str, str] | None:
    """Those of a run that has the trajectory of that fingerprint, by split, {} of an unfinished
    one; None where the directory is another's, or leads elsewhere: runs.txt may name any."""
    if Claim.of(run) is None:
        return None
    try:
        paths.check_run(run)
        if not (run / summary.NAME).exists():
            return {}
        found = Summary.read(run)
    except PolyakError:
        return None
    return found.evaluation_keys if found.fingerprint == fingerprint else None
