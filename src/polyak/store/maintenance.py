"""The trajectories on disk: list them, verify them, remove those that no run needs.

    python -m polyak.store.maintenance list
    python -m polyak.store.maintenance verify [FINGERPRINT ...]
    python -m polyak.store.maintenance remove [FINGERPRINT ...]    what would go
    python -m polyak.store.maintenance remove [FINGERPRINT ...] --yes    delete it

A run needs a trajectory while its directory is where it was and has its links, or while any other
directory has links to the files. A directory that is no trajectory's is neither listed nor removed,
and of a trajectory's only the files that training has written.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from polyak import files
from polyak.config.schema import ROOT
from polyak.errors import StoreError
from polyak.store.manifest import FILES, Manifest


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
        path = self.directory / "trajectory.json"
        return time.time() - (path if path.exists() else self.directory).stat().st_mtime

    def runs(self) -> list[Path]:
        """The noted run directories that have its files."""
        return self.manifest.runs() if self.manifest else []

    def linked(self) -> bool:
        """Whether any directory, noted or not, has links to its files."""
        checkpoints = self.directory.glob("checkpoints/*")
        return any(file.stat().st_nlink > 1 for file in checkpoints)

    def what(self) -> str:
        """Model, optimizer and seed."""
        if not self.manifest:
            return self.error
        made = self.manifest.values["ingredients"]
        optimizer = made.get("optimizer", {})
        targets = [made.get("model", {}).get("_target_", "?"), optimizer.get("_target_", "?")]
        parts = [str(target).rpartition(".")[2] for target in targets]
        parts += [f"lr {optimizer.get('lr')}", f"seed {made.get('seed')}"]
        if self.manifest.diverged:
            parts.append(f"diverged in epoch {self.manifest.diverged['epoch']}")
        return ", ".join(parts)


def entries(store: Path) -> Iterator[Entry]:
    """The trajectories of a store, in the order of their names, and those that are damaged: named
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
        if not re.fullmatch("|".join(FILES), name := path.relative_to(directory).as_posix())
    ]


def problems(entry: Entry) -> list[str]:
    """What is wrong with a trajectory: a line for each missing or changed file."""
    if not entry.manifest:
        return [entry.error]
    names = entry.manifest.values["files"]
    return [
        f"{name}: {'changed' if (entry.directory / name).exists() else 'missing'}"
        for name in names
        if not entry.manifest.whole(entry.directory / name)
    ]


def remove(entry: Entry) -> None:
    """Delete a trajectory. Raises StoreError where a run is using it now, or the directory holds
    files that are not a trajectory's: these stay."""
    lock = FileLock(entry.directory.with_suffix(".lock"))
    try:
        with lock.acquire(timeout=0):
            files.remove(entry.directory, FILES)
    except Timeout:
        raise StoreError(f"{entry.directory}: a run is using it") from None
    try:
        entry.directory.rmdir()
    except OSError:
        foreign = ", ".join(_foreign(entry.directory)[:3]) or "folders"
        raise StoreError(f"its own files are removed; {foreign} are not a trajectory's") from None


def _list(found: list[Entry]) -> int:
    print(f"{'fingerprint':16}  epochs      size   age  runs  what")
    for entry in found:
        epochs = str(entry.manifest.trained) if entry.manifest else "?"
        print(
            f"{entry.directory.name:16}  {epochs:>6}  {entry.size / 2**20:>6.1f}MB  "
            f"{_time(entry.age):>4}  {len(entry.runs()):>4}  {entry.what()}"
        )
    return 0


def _verify(found: list[Entry]) -> int:
    wrong = 0
    for entry in found:
        lines = problems(entry)
        wrong += bool(lines)
        print(f"{entry.directory.name}: {'whole' if not lines else 'damaged'}")
        print("".join(f"    {line}\n" for line in lines), end="")
    if wrong:
        print("The next run that needs a damaged trajectory trains it again, and compares.")
    return 1 if wrong else 0


def _remove(found: list[Entry], *, named: bool, yes: bool) -> int:
    failed = 0
    for entry in found:
        needed = entry.runs()
        if needed or entry.linked():
            if named:
                by = ", ".join(map(str, needed)) or "links from other directories"
                print(f"{entry.directory.name}: kept, needed by {by}")
                failed = 1
            continue
        if not entry.manifest and not named:
            print(f"{entry.directory.name}: kept, since it can't be read; name it to remove it")
            continue
        if yes:
            try:
                remove(entry)
            except StoreError as error:
                print(f"{entry.directory.name}: kept: {error}")
                failed = 1
                continue
        verb = "removed" if yes else "would be removed (add --yes)"
        print(f"{entry.directory.name}: {verb}, {entry.what()}")
    return failed


def _time(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m polyak.store.maintenance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["list", "verify", "remove"])
    parser.add_argument("fingerprint", nargs="*", help="these; without any, all")
    parser.add_argument("--store", type=Path, default=ROOT / "outputs" / "trajectories")
    parser.add_argument("--yes", action="store_true", help="remove: really delete")
    given = parser.parse_args(arguments)
    if not given.store.is_dir():
        parser.exit(1, f"{given.store}: there is no such store\n")
    found = list(entries(given.store))
    if given.fingerprint:
        unknown = set(given.fingerprint) - {entry.directory.name for entry in found}
        if unknown:
            parser.exit(1, f"{given.store} has no {', '.join(sorted(unknown))}\n")
        found = [entry for entry in found if entry.directory.name in given.fingerprint]
    if given.command == "list":
        return _list(found)
    if given.command == "verify":
        return _verify(found)
    return _remove(found, named=bool(given.fingerprint), yes=given.yes)


if __name__ == "__main__":
    sys.exit(main())
