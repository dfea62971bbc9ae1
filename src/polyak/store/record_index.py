"""The list of a recording's files: index.jsonl, one line per file, added to and never rewritten.

    index = RecordIndex.read(trajectory / "recordings" / "10_per_epoch")
    index.intact("mean_00000058.safetensors", epoch_weights=manifest.weights(0))
    index.add(entries)

A line that is cut or changed is a file that isn't there (`polyak.records.summed`). It also has
the hash of its epoch's weights, so that it counts only in the training that has these.
"""

import re
from collections.abc import Collection, Sequence, Set
from pathlib import Path
from typing import Self

from polyak import files
from polyak.errors import PolyakError, StoreError
from polyak.records import summed
from polyak.records.recording import NAME, Entry
from polyak.store import paths
from polyak.store.manifest import sha256_of


class RecordIndex:
    """What a recording's directory has."""

    def __init__(self, directory: Path, entries: dict[str, Entry], size: int) -> None:
        self.directory, self.entries, self._size = directory, entries, size

    @classmethod
    def read(cls, directory: Path) -> Self:
        """That of a recording's directory; an empty one where there is none. Of several lines of a
        file, the last counts. Raises StoreError for a list that can't be read, or is a link: what
        is added would be written elsewhere."""
        try:
            found, size = summed.read(directory / NAME, Entry)
        except PolyakError as error:
            raise StoreError(
                f"{error}; move it away: the training is repeated for what it lists"
            ) from error
        latest = {one.file: one for one in found}
        return cls(directory, {file: one for file, one in latest.items() if one.sha256}, size)

    def entry(self, file: str, epoch_weights: str) -> Entry | None:
        """A file's, where it is of the training whose epoch ended with those weights."""
        found = self.entries.get(file)
        return found if found and found.epoch_weights_sha256 == epoch_weights else None

    def intact(self, file: str, epoch_weights: str) -> bool:
        """Whether a file is listed for that training, there, and unchanged."""
        found, path = self.entry(file, epoch_weights), self.directory / file
        return found is not None and path.is_file() and sha256_of(path) == found.sha256

    def add(self, entries: Sequence[Entry]) -> None:
        """List files, which are on disk: on disk itself when this returns."""
        if not entries:
            return
        self._size = summed.append(self.directory / NAME, entries, at=self._size)
        self.entries |= {one.file: one for one in entries}

    def changed(self, trained: Collection[str]) -> list[str]:
        """What is wrong, in words: a line for each listed file that is missing or changed, of
        epochs whose weights are `trained`; those of others don't count."""
        return [
            f"{file}: {'changed' if path.is_file() else 'missing'}"
            for file, one in self.entries.items()
            if one.epoch_weights_sha256 in trained
            if not (path := self.directory / file).is_file() or files.sha256(path) != one.sha256
        ]

    def removable(self, unwanted: Set[str]) -> list[Entry]:
        """Those of the `unwanted` files that are there, and have no other link."""
        return [
            self.entries[file]
            for file in sorted(unwanted & self.entries.keys())
            if (self.directory / file).is_file() and (self.directory / file).stat().st_nlink == 1
        ]

    def remove(self, unwanted: Set[str]) -> None:
        """Remove the `removable`, and list them as removed."""
        gone = [one.model_copy(update={"sha256": ""}) for one in self.removable(unwanted)]
        self.add(gone)
        for one in gone:
            (self.directory / one.file).unlink()
            del self.entries[one.file]

    def unlisted(self) -> list[Path]:
        """Files that are not listed, and have a record's name: a killed process may have left
        some."""
        return [
            path
            for path in sorted(self.directory.glob("*.safetensors"))
            if path.name not in self.entries and re.fullmatch(paths.RECORD_NAME, path.name)
        ]

    def drop_unlisted(self) -> None:
        """Remove the `unlisted`."""
        for path in self.unlisted():
            path.unlink()
