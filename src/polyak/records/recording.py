"""index.jsonl: what was recorded between epochs' ends, a line per file, each with its own checksum.

    entries, cut = recording.read(directory)
    entries[0].file                         # "mean_00000058.safetensors"

A line that is cut, changed, or doesn't fit is as if it weren't there.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from polyak.records import reading, summed
from polyak.records.part import Part, Sha256

NAME = "index.jsonl"

Steps = Annotated[int, Field(ge=0, le=2**40)]


class Entry(Part):
    """A file of the steps [begin, end): its SHA-256 ("" of one that was removed), and that of the
    weights at its epoch's end (`checkpoint.digest`)."""

    file: Annotated[str, Field(pattern=r"^(step|mean)_[0-9]{8,13}\.safetensors$")]
    begin: Steps
    end: Steps
    sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
    epoch_weights_sha256: Sha256

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.begin < self.end == int(self.file[len("step_") : -len(".safetensors")]):
            raise ValueError(f"{self.file} of the steps [{self.begin}, {self.end})")
        return self

    @property
    def line(self) -> str:
        """Its line, without the end."""
        return summed.line(self.model_dump())

    @classmethod
    def of(cls, line: str) -> Self | None:
        """That of a line; None where it is not as `line` gave it."""
        text = summed.content(line)
        try:
            return None if text is None else cls.model_validate_json(text)
        except ValidationError:
            return None


def read(directory: Path) -> tuple[list[Entry], bool]:
    """The entries of a recording's directory, in order, none where there is no file; and whether
    the last line was cut. Raises PolyakError for a file that can't be read."""
    try:
        *lines, rest = reading.lines(directory / NAME)
    except FileNotFoundError:
        return [], False
    return [one for one in map(Entry.of, [*lines, rest]) if one], bool(rest)
