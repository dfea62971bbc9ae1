"""index.jsonl: what was recorded between epochs' ends, a line per file, each with its own checksum.

entries, size = summed.read(directory / recording.NAME, Entry)
entries[0].file                         # "mean_00000058.safetensors"
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from polyak.records.part import Sha256
from polyak.records.summed import Line

NAME = "index.jsonl"

Steps = Annotated[int, Field(ge=0, le=2**40)]


class Entry(Line):
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
