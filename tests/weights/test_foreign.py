"""Files that others made, and what must not be read."""

import json
import os
import pickle
import sys

import pytest
import safetensors.torch
import torch

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.foreign import open_source
from tests import own_memory


def state():
    return {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}


def tensors(path):
    with open_source(path) as source:
        return {name: source.tensor(name).clone() for name in source.names}


def same(found):
    assert list(found) == list(state())
    assert all(torch.equal(found[name], tensor) for name, tensor in state().items())


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model", "ema"])
@pytest.mark.parametrize("old_format", [False, True])
def test_torchs_files_are_read_also_nested(tmp_path, key, old_format):
    content = state() if key is None else {key: state(), "epoch": 3}
    path = tmp_path / "a.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    same(tensors(path))


def test_safetensors_are_read(tmp_path):
    safetensors.torch.save_file(state(), tmp_path / "a.safetensors")
    found = tensors(tmp_path / "a.safetensors")
    same({name: found[name] for name in state()})


def shards(folder):
    for name, tensor in state().items():
        safetensors.torch.save_file({name: tensor}, folder / f"{name}.safetensors")
    index = folder / "model.safetensors.index.json"
    places = {name: f"{name}.safetensors" for name in state()}
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


def test_shards_are_read_by_their_index(tmp_path):
    same(tensors(shards(tmp_path)))


def test_a_missing_shard_and_one_outside_the_folder_are_named(tmp_path):
    index = shards(tmp_path)
    (tmp_path / "n.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no shard 'n\.safetensors'"):
        tensors(index)
    index.write_text(json.dumps({"weight_map": {"w": "../w.safetensors"}}))
    with pytest.raises(CheckpointError, match="no shard"):
        tensors(index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "metadata are not JSON"),
        ("[]", "allowed: a JSON object"),
        ("{}", '"weight_map" is missing in its metadata; allowed: the name of each tensor'),
        ('{"weight_map": {}}', '"weight_map" is {} in its'),
        ('{"weight_map": ["w.safetensors"]}', r'"weight_map" is \[\'w.safetensors\'\] in'),
        ('{"weight_map": {"w": ["a"]}}', r'"weight_map"\[\'w\'\] is \[\'a\'\] in its metadata'),
        ('{"weight_map": ' + "[" * 20_000 + "]" * 20_000 + "}", "metadata are not JSON"),
        ('{"weight_map": {"w": 1' + "0" * 5_000 + "}}", "metadata are not JSON"),
        ('{"weight_map": {"w": ""}}', "no shard ''"),
        ('{"weight_map": {"w": "' + "a" * 5_000 + '"}}', "no shard 'aaa"),
        (r'{"weight_map": {"w": "\u001b[31m"}}', r"no shard '\\x1b\[31m'"),
        (r'{"weight_map": {"w": "\u0000"}}', r"no shard '\\x00'"),
        (r'{"weight_map": {"w": "\ud800"}}', r"no shard '\\ud800'"),
        ('{"weight_map": {"w": "pipe.safetensors"}}', "no shard 'pipe.safetensors'"),
        ('{"weight_map": {"nowhere": "w.safetensors"}}', "has no tensor 'nowhere'"),
    ],
)
def test_an_index_that_is_none_is_refused(tmp_path, text, message):
    index = shards(tmp_path)
    os.mkfifo(tmp_path / "pipe.safetensors")
    index.write_text(text)
    with pytest.raises(CheckpointError, match=rf"index\.json: .*{message}"):
        tensors(index)


class Harmful:
    def __reduce__(self):
        return (open, ("ran", "w"))


def test_code_in_a_pickle_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": state(), "hook": Harmful()}, "a.pt")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Harmful()))
    for name in ("a.pt", "b.pth"):
        with pytest.raises(
            CheckpointError, match=f"{name}: holds '(_?io.open|STACK_GLOBAL)', which"
        ):
            tensors(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_a_truncated_file_is_named(tmp_path, name):
    path = tmp_path / name
    if name.endswith("pt"):
        torch.save(state(), path)
    else:
        safetensors.torch.save_file(state(), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=name):
        tensors(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pt", {"epoch": 3, "lr": 0.1}, "no state dict is in it"),
        ("a.pt", [1, 2], "no state dict is in it"),
        ("a.npz", {}, r"allowed: \.safetensors"),
    ],
)
def test_what_is_no_weights_is_refused(tmp_path, name, content, message):
    torch.save(content, tmp_path / name)
    with pytest.raises(CheckpointError, match=message):
        tensors(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        tensors(tmp_path / "a.pt")


BEFORE = """
import torch
from polyak.weights.foreign import open_source

torch.set_num_threads(1)
torch.equal(torch.ones(9), torch.ones(9))
"""

WATCHED = """
with open_source(Path(sys.argv[1])) as source:
    print(source.tied)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
def test_tied_tensors_are_compared_in_the_file_without_a_copy_in_memory(tmp_path):
    """Three names of one tensor of 32 MB."""
    shared = torch.ones(1 << 23)
    checkpoint.save(tmp_path / "a.safetensors", {"a": shared, "b": shared, "c": shared})
    printed, used = own_memory.beyond(BEFORE, WATCHED, [tmp_path / "a.safetensors"])
    assert printed == "(('a', 'b', 'c'),)"
    assert used < 4 << 20
