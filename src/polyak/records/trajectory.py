"""trajectory.json and runs.txt: what a trajectory has, and who has links to it; store.json.

values, journal = trajectory.read(directory, formats)
trajectory.write(directory, values)

The file has a checksum of its own content: a changed digit would be a wrong record that nothing
else notices. Format 3, of before, has none. What was added since it was written whole is in
trajectory.jsonl (`records.journal`), and read with it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from polyak import files
from polyak.errors import PolyakError
from polyak.records import journal, reading
from polyak.records.journal import Journal
from polyak.records.part import (
    Environment,
    Epoch,
    Fraction,
    MetricName,
    Name,
    NotNegative,
    Part,
    Sha256,
    Split,
)

NAME, RUNS, STORE = "trajectory.json", "runs.txt", "store.json"

CHECKSUM, SINCE = "sha256", 4
"""The key of the checksum, and the first format that has it."""

FileName = Annotated[
    str,
    Field(
        pattern=r"^((checkpoints|state|evaluations/[0-9a-f]{16})/epoch_[0-9]{3,7}\.safetensors"
        r"|evaluations/[0-9a-f]{16}/scores\.json)$",
    ),
]


class StoreRecord(Part):
    """store.json: the format of what is written into the store."""

    format: Annotated[int, Field(ge=1, le=1000)]


class EpochPart(Part):
    """An epoch's training, and its weights; of a training of somebody's own, what they said of it:
    `metrics` by split."""

    epoch: Epoch
    lr: NotNegative | None
    loss: NotNegative | None
    accuracy: Fraction | None
    seconds: NotNegative
    weights_sha256: Sha256
    metrics: dict[Split, dict[MetricName, float | None]] = Field(default_factory=dict)


class Stretch(Part):
    """Where the epochs from this one on were trained."""

    from_epoch: Epoch
    environment: Environment


class Diverged(Part):
    """What the epoch after the last one came to."""

    epoch: Epoch
    reason: str


class Ingredients(Part):
    """What the fingerprint is of, as far as it is read back."""

    model: dict[str, Any] = Field(default_factory=dict)
    optimizer: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None


class TrajectoryRecord(Part):
    """A trajectory.json. Files are named below its directory."""

    format: int
    fingerprint: Name
    ingredients: Ingredients
    environments: list[Stretch]
    diverged: Diverged | None
    epochs: list[EpochPart]
    files: dict[FileName, Sha256]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if [one.epoch for one in self.epochs] != list(range(len(self.epochs))):
            raise ValueError("its epochs are not 0, 1, 2, ...")
        starts = [one.from_epoch for one in self.environments]
        if starts != sorted(set(starts)) or starts[:1] != [0] * bool(self.epochs):
            raise ValueError(f"environments of epochs from {starts}: allowed: from 0, ascending")
        return self


def format_of(store: Path) -> int:
    """That of a store.json. Raises PolyakError, or FileNotFoundError where there is none."""
    return reading.json_of(store / STORE, StoreRecord).format


def read(directory: Path, formats: Sequence[int]) -> tuple[dict[str, Any], Journal]:
    """The content of a trajectory.json of one of the `formats`, with what was added since, checked,
    as it stands there: keys that this version doesn't know are written again. And where the next
    change is to be added.

    Raises PolyakError, or FileNotFoundError where there is none.
    """
    path = directory / NAME
    values = reading.plain_json(path)
    found = values.get("format") if isinstance(values, dict) else None
    if type(found) is int and found not in formats:
        raise PolyakError(
            f"{path}: has format {found}, this version reads {', '.join(map(str, formats))}"
        )
    record = reading.fit(path, values, TrajectoryRecord)
    summed = record.format >= SINCE or CHECKSUM in values
    if summed and values.get(CHECKSUM) != checksum(values):
        raise PolyakError(
            f"{path}: corrupted, or changed by hand: its {CHECKSUM} is not that of its content"
        )
    added = journal.read(directory, values.get(CHECKSUM, ""))
    for change in added.changes:
        journal.apply(change, values, directory / journal.NAME)
    if added.changes:
        reading.fit(directory / journal.NAME, values, TrajectoryRecord)
    return dict(values), added


def write(directory: Path, values: Mapping[str, Any]) -> Journal:
    """Write a trajectory.json, atomically, with its checksum; what was added to the one before is
    in it. Where the next change is to be added."""
    base = checksum(values)
    lines = directory / journal.NAME
    if values.get(CHECKSUM) == base and (directory / NAME).exists():
        lines.unlink(missing_ok=True)  # first: they follow what is to be written
    files.write_json(directory / NAME, {**values, CHECKSUM: base})
    lines.unlink(missing_ok=True)
    return Journal([], base, 0)


def checksum(values: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of all but the checksum itself, as JSON whose keys are sorted."""
    rest = {key: value for key, value in values.items() if key != CHECKSUM}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def noted_runs(directory: Path) -> list[str]:
    """The lines of a runs.txt: absolute paths; none where there is none. Raises PolyakError."""
    try:
        return [line for line in reading.lines(directory / RUNS) if Path(line).is_absolute()]
    except FileNotFoundError:
        return []


def note_runs(directory: Path, runs: Sequence[str]) -> None:
    """Write a runs.txt, atomically. Names of files need not be UTF-8."""
    with files.atomic(directory / RUNS) as temporary:
        temporary.write_bytes(("\n".join(runs) + "\n").encode("utf-8", "surrogateescape"))
