"""The trajectories on disk: list them, verify them, remove those that no run needs.

    for entry in chosen(store, ["0123456789abcdef"]):
        print(line(entry), problems(entry))

A run needs a trajectory while its directory is where it was and has its links, or while any other
directory has links to the files. A directory that is no trajectory's is neither listed nor removed,
and of a trajectory's only the files that training has written.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec

from filelock import FileLock, Timeout

from polyak import files
from polyak.errors import PolyakError, StoreError
from polyak.naming import name_of
from polyak.records.reading import escaped
from polyak.store import format as store_format
from polyak.store import linked, paths
from polyak.store.manifest import Manifest
from polyak.store.paths import TRAJECTORY
from polyak.store.record_index import RecordIndex

Options = ParamSpec("Options")


@dataclass(frozen=True)
class Entry:
    """One trajectory. `error` says why it can't be read; then there is no manifest."""

    directory: Path
    manifest: Manifest | None
    error: str = ""

    @property
    def size(self) -> int:
        """Bytes on disk, which runs share by links."""
        return sum(file.stat().st_size for file in self.directory.rglob("*") if file.is_file())

    @property
    def age(self) -> float:
        """Seconds since it last changed."""
        there = [path for path in self.directory.glob("trajectory.json*") if path.is_file()]
        return time.time() - max(path.stat().st_mtime for path in there or [self.directory])

    def runs(self) -> list[Path]:
        """The noted run directories that have its files."""
        return linked.runs(self.directory) if self.manifest else []

    def linked(self) -> bool:
        """Whether any directory, noted or not, has links to its files."""
        linkable = [
            *self.directory.glob("checkpoints/*"),
            *self.directory.glob("recordings/*/*"),
        ]
        return any(file.stat().st_nlink > 1 for file in linkable)

    def what(self) -> str:
        """Model, optimizer and seed."""
        if not self.manifest:
            return self.error
        made = self.manifest.values["ingredients"]
        optimizer = made.get("optimizer", {})
        parts = [name_of(made.get("model", {})), name_of(optimizer)]
        parts += [f"lr {optimizer.get('lr')}", f"seed {made.get('seed')}"]
        if self.manifest.diverged:
            parts.append(f"diverged in epoch {self.manifest.diverged['epoch']}")
        return escaped(", ".join(parts))


@dataclass(frozen=True)
class Outcome:
    """What became of a trajectory, in words ("" where there is nothing to say), and whether that is
    not what was asked for."""

    text: str
    failed: bool = False


def chosen(store: Path, fingerprints: Collection[str] = ()) -> list[Entry]:
    """The trajectories of a store that have one of the `fingerprints`; without any, all.

    Raises StoreError where there is no such store, it has another format, or no such trajectory.
    """
    if not store.is_dir():
        raise StoreError(f"{store}: there is no such store")
    store_format.check(store, mark=False)
    found = list(entries(store))
    unknown = set(fingerprints) - {entry.directory.name for entry in found}
    if unknown:
        raise StoreError(
            f"{store}: has no {', '.join(sorted(unknown))}; allowed: whole fingerprints, which "
            "`store list` shows"
        )
    return [entry for entry in found if not fingerprints or entry.directory.name in fingerprints]


def entries(store: Path) -> Iterator[Entry]:
    """The trajectories of a store, in the order of their names, and those that are corrupted: named
    like a trajectory, with nothing but a trajectory's files, and no trajectory.json to be read."""
    for directory in sorted(store.iterdir()):
        if directory.is_symlink() or not directory.is_dir():
            continue
        try:
            yield Entry(directory, Manifest.open(directory))
        except StoreError as error:
            if re.fullmatch("[0-9a-f]{16}", directory.name) and not _foreign(directory):
                yield Entry(directory, None, str(error))


def _foreign(directory: Path) -> list[str]:
    """Files below a directory that no trajectory has."""
    return [
        name
        for path in sorted(directory.rglob("*"))
        if path.is_symlink() or not path.is_dir()
        if not re.fullmatch("|".join(TRAJECTORY), name := path.relative_to(directory).as_posix())
    ]


def problems(entry: Entry) -> list[str]:
    """What is wrong with a trajectory: a line for each missing or changed file."""
    if not entry.manifest:
        return [entry.error]
    try:
        paths.check_trajectory(entry.directory)
    except PolyakError as error:
        return [str(error)]
    names = entry.manifest.values["files"]
    found = [
        f"{name}: {'changed' if (entry.directory / name).exists() else 'missing'}"
        for name in names
        if not entry.manifest.intact(entry.directory / name)
    ]
    epochs = {one["weights_sha256"] for one in entry.manifest.values["epochs"]}
    for recording in sorted(entry.directory.glob("recordings/*")):
        changed = RecordIndex.read(recording).changed(epochs)
        found += [f"recordings/{recording.name}/{one}" for one in changed]
    return found


def remove(entry: Entry) -> None:
    """Delete a trajectory. Raises StoreError where a run is using it now, or the directory holds
    files that are not a trajectory's: these stay."""
    lock = FileLock(entry.directory.with_name(f"{entry.directory.name}.lock"))
    try:
        with lock.acquire(timeout=0):
            files.remove(entry.directory, TRAJECTORY)
    except Timeout:
        raise StoreError(f"{entry.directory}: a run is using it") from None
    try:
        entry.directory.rmdir()
    except OSError:
        foreign = ", ".join(_foreign(entry.directory)[:3]) or "folders"
        raise StoreError(f"its own files are removed; {foreign} are not a trajectory's") from None


def each_alone(
    command: Callable[Concatenate[Entry, Options], Outcome],
) -> Callable[Concatenate[Entry, Options], Outcome]:
    """What can't be read or locked of one trajectory, said of it alone: the others go on."""

    def guarded(entry: Entry, /, *given: Options.args, **named: Options.kwargs) -> Outcome:
        try:
            return command(entry, *given, **named)
        except (PolyakError, OSError) as error:
            return Outcome(f"{entry.directory.name}: {error}", failed=True)

    return guarded


HEADING = f"{'fingerprint':16}  epochs      size   age  runs  what"
"""Above the lines of `line`."""


def line(entry: Entry) -> str:
    """An entry's line in a list: fingerprint, epochs, size, age, number of runs, and what it is."""
    return _line(entry).text


@each_alone
def _line(entry: Entry) -> Outcome:
    epochs = str(entry.manifest.trained) if entry.manifest else "?"
    return Outcome(
        f"{entry.directory.name:16}  {epochs:>6}  {entry.size / 2**20:>6.1f}MB  "
        f"{_time(entry.age):>4}  {len(entry.runs()):>4}  {entry.what()}"
    )


@each_alone
def verify(entry: Entry) -> Outcome:
    """Read every file of a trajectory and compare it with what was recorded."""
    found = problems(entry)
    verdict = f"{entry.directory.name}: {'corrupted' if found else 'intact'}"
    return Outcome("\n    ".join([verdict, *found]), failed=bool(found))


@each_alone
def clear(entry: Entry, *, named: bool, delete: bool) -> Outcome:
    """Remove a trajectory that no run needs, or without `delete` say that it would be removed. One
    that can't be read goes only where it was `named`."""
    name = entry.directory.name
    needed = entry.runs()
    if needed or entry.linked():
        by = ", ".join(map(str, needed)) or "links from other directories"
        return Outcome(f"{name}: kept, needed by {by}" if named else "", failed=named)
    if not entry.manifest and not named:
        return Outcome(f"{name}: kept, since it can't be read; name it to remove it")
    what = entry.what()
    if not delete:
        return Outcome(f"{name}: would be removed (add --yes), {what}")
    try:
        remove(entry)
    except StoreError as error:
        return Outcome(f"{name}: kept: {error}", failed=True)
    return Outcome(f"{name}: removed, {what}")


def _time(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"
