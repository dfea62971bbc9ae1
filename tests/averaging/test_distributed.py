"""An average that torch.distributed.checkpoint loads."""

import json

import pytest
import torch
import torch.distributed.checkpoint as dcp

from polyak import __main__ as commands
from polyak import files
from polyak.averaging.distributed import SOURCES, average_to_distributed
from polyak.averaging.mean import mean_of_states
from polyak.averaging.stream import average_files
from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.foreign import open_source
from tests.averaging.test_stream import state
from tests.weights.states import same_bits


@pytest.fixture
def paths(tmp_path):
    found = [tmp_path / f"{seed}.safetensors" for seed in range(2)]
    for seed, path in enumerate(found):
        made = state(seed)
        checkpoint.save(path, {**made, "tied": made["x1"]})
    return found


def test_torch_loads_the_average_and_so_does_this_project(tmp_path, paths):
    output = tmp_path / "mean"
    assert commands.main(["average", str(output), *map(str, paths), "--format", "dcp"]) == 0
    wanted = mean_of_states([checkpoint.load(path).tensors for path in paths])
    loaded = {name: torch.full_like(tensor, 1) for name, tensor in wanted.items()}
    dcp.load(loaded, storage_reader=dcp.FileSystemReader(output), no_dist=True)
    with open_source(output) as source:
        read = {name: source.tensor(name) for name in source.names}
    assert loaded.keys() == read.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert same_bits(loaded[name], tensor), name
        assert same_bits(read[name], tensor), name
    said = json.loads((output / SOURCES).read_text())
    assert [one["sha256"] for one in said["sources"]] == [files.sha256(path) for path in paths]
    assert {path.name for path in output.iterdir()} == {".metadata", "__0_0.distcp", SOURCES}
    # What is written is an input like others.
    average_files(tmp_path / "again.safetensors", [output])
    again = checkpoint.load(tmp_path / "again.safetensors").tensors
    assert checkpoint.digest(again) == checkpoint.digest(wanted)


def test_what_is_there_is_kept_and_an_error_leaves_nothing(tmp_path, paths):
    (tmp_path / "mean").mkdir()
    with pytest.raises(FileExistsError, match="exists already; name another directory"):
        average_to_distributed(tmp_path / "mean", paths)
    (tmp_path / "mean").rmdir()
    checkpoint.save(tmp_path / "other.safetensors", {"w": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"other\.safetensors: tensor"):
        average_to_distributed(tmp_path / "mean", [*paths, tmp_path / "other.safetensors"])
    assert not [path for path in tmp_path.iterdir() if "mean" in path.name]


def test_a_size_of_shards_is_refused(tmp_path, paths, capsys):
    more = ["--format", "dcp", "--max-shard-size", "1GB"]
    assert commands.main(["average", str(tmp_path / "mean"), *map(str, paths), *more]) == 1
    assert "--max-shard-size: is of safetensors" in capsys.readouterr().err
