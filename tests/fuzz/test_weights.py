"""Files of weights: read as they are, or refused with a CheckpointError."""

from pathlib import Path

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.foreign import open_source
from tests.fuzz.explore import explore, limited
from tests.fuzz.hostile import pickles, raw_pickles, safetensors_files
from tests.fuzz.mutations import bytes_changed, json_files

FILES = {
    "model.safetensors": safetensors_files(),
    "shard-1.safetensors": safetensors_files(),
    "model.safetensors.index.json": json_files(),
    "zip.pt": pickles(legacy=False),
    "zip.bin": pickles(legacy=False),
    "legacy.pth": pickles(legacy=True),
    "distributed/.metadata": raw_pickles() | bytes_changed(),
    "distributed/__0_0.distcp": bytes_changed(),
}


def read(path: Path) -> None:
    """Every tensor, as averaging and evaluation take it: a copy of its own."""
    with open_source(path) as source:
        for name in source.names:
            found = checkpoint.as_bytes(source.tensor(name).clone())
            length = source.outline(name).shape[:1].numel()
            assert found.equal(checkpoint.as_bytes(source.rows(name, 0, length)))
    if path.suffix == ".safetensors":
        checkpoint.digest(checkpoint.load(path).tensors)


def test_a_broken_file_of_weights_is_read_or_refused(specimen, profile, record_property):
    def opened(name: str) -> Path:
        if name.startswith("distributed"):
            return specimen.weights / "distributed"
        return specimen.weights / (
            "model.safetensors.index.json" if name.startswith("shard") else name
        )

    def attempt(name, mutation) -> str:
        with specimen.broken(specimen.weights / name, mutation):
            return limited((CheckpointError,), lambda: read(opened(name)))

    for name in FILES:
        read(opened(name))
    explore(FILES, attempt, profile, 2.0, record_property, "weights")
