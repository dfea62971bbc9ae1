"""Files of weights: read as they are, or refused with a CheckpointError."""

from pathlib import Path

import pytest

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.foreign import open_source
from tests.fuzz.explore import Unforeseen, explore, limited
from tests.fuzz.hostile import pickles, safetensors_files
from tests.fuzz.mutations import json_files

FORMATS = {
    "model.safetensors": safetensors_files(),
    "shard-1.safetensors": safetensors_files(),
    "model.safetensors.index.json": json_files(),
    "zip.pt": pickles(legacy=False),
    "zip.bin": pickles(legacy=False),
    "legacy.pth": pickles(legacy=True),
}


def read(path: Path) -> None:
    """Every tensor, as averaging and evaluation take it: a copy of its own."""
    with open_source(path) as source:
        for name in source.names:
            checkpoint.as_bytes(source.tensor(name).clone())
    if path.suffix == ".safetensors":
        checkpoint.digest(checkpoint.load(path).tensors)


@pytest.mark.parametrize("name", FORMATS)
def test_a_broken_file_of_weights_is_read_or_refused(name, specimen, profile, record_property):
    path = specimen.weights / name
    opened = path.with_name("model.safetensors.index.json") if "shard" in name else path
    content = path.read_bytes()
    read(opened)

    def attempt(mutation) -> str:
        with specimen.broken(path, mutation(content)) as said:
            ended = limited((CheckpointError,), lambda: read(opened))
        if said:
            raise Unforeseen("; ".join(said))
        return ended

    explore(FORMATS[name], attempt, profile, 0.5, record_property, f"weights: {name}")
