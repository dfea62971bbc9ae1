"""What a trajectory has, and whether it is intact: its trajectory.json.

    manifest = Manifest.read(directory, fingerprint, ingredients)
    manifest.trained                # epochs 0 .. trained - 1 are there
    manifest.intact(path)           # the file is there and has the recorded SHA-256

A change counts from `write` on, which replaces the file atomically; epochs and files that are added
also from `append` on, which adds a line to trajectory.jsonl.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Self

from polyak import files
from polyak.errors import PolyakError, StoreError
from polyak.records import journal, trajectory
from polyak.records.journal import Change, Journal
from polyak.store import paths
from polyak.store.format import FORMAT, READABLE
from polyak.training.result import EpochResult

_RESULT = [field.name for field in fields(EpochResult)]
_verified: dict[Path, tuple[tuple[int, ...], str]] = {}
"""SHA-256 of files that this process has read, valid while inode, size and time are the same."""


class Manifest:
    """A trajectory's trajectory.json, and what follows from it."""

    def __init__(
        self, directory: Path, values: dict[str, Any], lines: Journal | None = None
    ) -> None:
        self.directory = directory
        self.values = values
        self._lines = lines  # None: `append` has nothing that it could add to
        self._added = Change()

    @classmethod
    def read(cls, directory: Path, fingerprint: str, ingredients: Mapping[str, Any]) -> Self:
        """The manifest of `directory`, or an empty one where there is none.

        Raises StoreError where it is corrupted, or of another format or trajectory.
        """
        if not (directory / trajectory.NAME).exists():
            return cls(
                directory,
                {
                    "format": FORMAT,
                    "fingerprint": fingerprint,
                    "ingredients": dict(ingredients),
                    "environments": [],
                    "diverged": None,
                    "epochs": [],
                    "files": {},
                },
            )
        found = cls.open(directory)
        if (other := found.values["fingerprint"]) != fingerprint:
            raise StoreError(f"{directory / trajectory.NAME}: is of {other}, not {fingerprint}")
        return found

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The manifest of an existing trajectory. Raises StoreError as `read` does."""
        try:
            values, lines = trajectory.read(directory, READABLE)
        except (FileNotFoundError, PolyakError) as error:
            raise StoreError(
                f"{error}; move {directory} away, or use another paths.trajectories"
            ) from error
        return cls(directory, values, lines if values["format"] == FORMAT else None)

    def write(self) -> None:
        """Make all changes since the last `write` count."""
        self.values["format"] = FORMAT
        self._lines = trajectory.write(self.directory, self.values)
        self.values[trajectory.CHECKSUM] = self._lines.last
        self._added = Change()

    def append(self) -> None:
        """Make the epochs and files that were added count; what else has changed waits for `write`.
        The cost doesn't grow with the trajectory."""
        if self._lines is None:
            self.write()
            return
        self._lines = journal.append(self.directory, self._lines, self._added)
        self._added = Change()

    def fold(self) -> None:
        """Write trajectory.json whole where lines were added to it. Where it can't be, they stay,
        and count."""
        if self._lines is not None and self._lines.size:
            with suppress(OSError):
                self.write()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """After an exception inside, which also calls `append`, none of its changes are left."""
        values, lines, added = _copied(self.values), self._lines, _copied(dict(self._added))
        try:
            yield
        except BaseException:
            self.values, self._lines, self._added = values, lines, Change(**added)
            raise

    @property
    def trained(self) -> int:
        """How many epochs are there."""
        return len(self.values["epochs"])

    @property
    def diverged(self) -> dict[str, Any] | None:
        """Epoch and reason, where the training after the last epoch diverged."""
        found: dict[str, Any] | None = self.values["diverged"]
        return found

    def result(self, epoch: int) -> EpochResult:
        """How train.py's training of an epoch went. Raises StoreError for an epoch of a training of
        somebody's own, which may not say."""
        found = {name: self.values["epochs"][epoch][name] for name in _RESULT}
        if None in found.values():
            raise StoreError(
                f"{self.directory}: epoch {epoch} has no loss or accuracy: a Recorder wrote it; "
                "allowed: to open it with polyak.open"
            )
        return EpochResult(**found)

    def weights(self, epoch: int) -> str:
        """SHA-256 of the weights after an epoch (`checkpoint.digest`)."""
        digest: str = self.values["epochs"][epoch]["weights_sha256"]
        return digest

    def environment(self, epoch: int) -> dict[str, Any]:
        """Where an epoch was trained."""
        found: dict[str, Any] = [
            entry["environment"]
            for entry in self.values["environments"]
            if entry["from_epoch"] <= epoch
        ][-1]
        return found

    def sha256(self, path: Path) -> str:
        """The recorded SHA-256 of a file. Raises KeyError."""
        digest: str = self.values["files"][self._name(path)]
        return digest

    def intact(self, path: Path) -> bool:
        """Whether a file is recorded, there, and unchanged."""
        recorded = self.values["files"].get(self._name(path))
        return recorded is not None and path.is_file() and sha256_of(path) == recorded

    def check_intact(self, epochs: Iterable[int]) -> None:
        """Raise StoreError where one of these epochs' weights is not as it was recorded."""
        for epoch in epochs:
            path = paths.checkpoint(self.directory, epoch)
            if not self.intact(path):
                raise StoreError(f"{path}: is missing, or not as it was recorded")

    def corrupted(self, count: int) -> list[int]:
        """Those of the first `count` epochs whose weights were recorded and are not intact."""
        return [
            epoch
            for epoch in range(min(count, self.trained))
            if not self.intact(paths.checkpoint(self.directory, epoch))
        ]

    def add(
        self,
        said: EpochResult | Mapping[str, Any],
        weights: str,
        file: Path,
        environment: dict[str, Any],
    ) -> None:
        """Add the next epoch, of which `said` has all keys of `records.trajectory.EpochPart` but
        the hash of its weights."""
        ran = self.values["environments"]
        of_epoch = asdict(said) if isinstance(said, EpochResult) else said
        if not ran or ran[-1]["environment"] != environment:
            ran.append({"from_epoch": self.trained, "environment": environment})
            self._added.environments.append(ran[-1])
        self.values["epochs"].append({**of_epoch, "weights_sha256": weights})
        self._added.epochs.append(self.values["epochs"][-1])
        self.record(file)

    def add_metrics(self, metrics: Mapping[str, Mapping[str, float | None]]) -> None:
        """Add to what is said of the last epoch."""
        epochs = self.values["epochs"]
        before = epochs[-1].get("metrics", {})
        said = {split: {**before.get(split, {}), **scores} for split, scores in metrics.items()}
        epochs[-1] = {**epochs[-1], "metrics": {**before, **said}}
        self._added.epochs.append(epochs[-1])

    def keep(self, count: int) -> None:
        """Drop the epochs from `count` on: another training goes on from there. Their files go when
        `write` has made that count; runs that have links to them keep those."""
        names = {paths.checkpoint(Path(), epoch).name for epoch in range(count, self.trained)}
        gone = [name for name in self.values["files"] if Path(name).name in names]
        self.values["files"] = {
            name: digest for name, digest in self.values["files"].items() if name not in gone
        }
        ran = self.values["environments"]
        self.values["environments"] = [one for one in ran if one["from_epoch"] < count]
        del self.values["epochs"][count:]
        self.values["diverged"] = None
        self.write()
        for name in gone:
            (self.directory / name).unlink(missing_ok=True)

    def record(self, path: Path) -> None:
        """Record a file as it is now: of an epoch, an evaluation or a state."""
        name = self._name(path)
        self.values["files"][name] = self._added.files[name] = sha256_of(path)

    def set_state(self, path: Path) -> None:
        """Record the file to continue from, in place of the one before."""
        recorded = self.values["files"]
        for name in [name for name in recorded if name.startswith("state/")]:
            del recorded[name]
            self._added.files[name] = None
        self.record(path)

    @property
    def state(self) -> int:
        """The epoch whose optimizer's state is there, intact; -1 where there is none."""
        found = self._state()
        return -1 if found is None or not self.intact(found) else int(found.stem[len("epoch_") :])

    @property
    def state_damaged(self) -> bool:
        """Whether one was recorded, and is not intact."""
        found = self._state()
        return found is not None and not self.intact(found)

    def _state(self) -> Path | None:
        recorded = [name for name in self.values["files"] if name.startswith("state/")]
        return self.directory / max(recorded, key=lambda one: (len(one), one)) if recorded else None

    def set_diverged(self, epoch: int, reason: str) -> None:
        """Record that training the next epoch diverged."""
        self.values["diverged"] = {"epoch": epoch, "reason": reason}

    def drop_older_states(self) -> None:
        """Remove the states that are not recorded: a killed process may have left several."""
        for path in (self.directory / "state").glob("*"):
            known = self._name(path) in self.values["files"]
            if not known and re.fullmatch(paths.EPOCH, path.name):
                path.unlink()

    def _name(self, path: Path) -> str:
        return path.relative_to(self.directory).as_posix()


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy whose lists and mappings can be added to; what is in them is never changed."""
    kinds = (list, dict)
    return {key: one.copy() if isinstance(one, kinds) else one for key, one in values.items()}


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file, which this process reads once while it stays the same."""
    status = path.stat()
    signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if path not in _verified or _verified[path][0] != signature:
        _verified[path] = (signature, files.sha256(path))
    return _verified[path][1]
