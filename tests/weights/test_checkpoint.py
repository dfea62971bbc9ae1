"""One checkpoint's file: what goes in comes out bit for bit."""

import os

import pytest
import torch
from torch import nn

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from tests.weights.states import STATES, VIEWS, randn, same_bits


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "epoch_000.safetensors"


@pytest.mark.parametrize("tensor", STATES.values(), ids=STATES)
def test_round_trip_is_exact(path, tensor):
    checkpoint.save(path, {"entry": tensor})
    loaded = checkpoint.load(path)
    assert list(loaded.tensors) == ["entry"]
    assert same_bits(loaded.tensors["entry"], tensor)
    assert loaded.tied == ()
    assert loaded.metadata == {}


def test_metadata_comes_back_without_what_save_adds(path):
    metadata = {"epoch": 3, "window": {"start": 1, "end": None}, "name": "Straße"}
    checkpoint.save(path, {"w": randn(2)}, metadata)
    assert checkpoint.load(path).metadata == metadata


def test_metadata_that_is_not_json_is_an_error_and_leaves_no_file(path):
    with pytest.raises(TypeError):
        checkpoint.save(path, {"w": randn(2)}, {"path": path})
    assert not path.exists()


@pytest.mark.parametrize("name", ["", "__metadata__", "\udc80"])
def test_a_name_that_no_tensor_can_have_is_refused_and_leaves_no_file(path, name):
    with pytest.raises(CheckpointError, match=r"epoch_000\.safetensors: a tensor is named '"):
        checkpoint.save(path, {name: randn(2)})
    assert not path.exists()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views_are_stored_contiguous_and_alone(path, view):
    checkpoint.save(path, {"w": view})
    loaded = checkpoint.load(path).tensors["w"]
    assert same_bits(loaded, view)
    assert loaded.is_contiguous()
    assert path.stat().st_size < 1000


def test_a_parameter_is_stored_without_its_gradient_and_stays_as_it_was(path):
    weight = nn.Parameter(randn(2, 3, 4, 4).to(memory_format=torch.channels_last))
    before = weight.detach().clone()
    checkpoint.save(path, {"w": weight})
    assert not checkpoint.load(path).tensors["w"].requires_grad
    assert weight.requires_grad
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(weight, before)


def test_file_and_live_weights_do_not_share_memory(path):
    live = randn(4)
    before = live.clone()
    checkpoint.save(path, {"w": live})
    live.add_(1)
    loaded = checkpoint.load(path).tensors["w"]
    assert torch.equal(loaded, before)
    loaded.zero_()
    assert torch.equal(checkpoint.load(path).tensors["w"], before)
    assert torch.equal(live, before + 1)


def test_what_was_loaded_outlives_the_file(path):
    checkpoint.save(path, {"w": torch.zeros(4)})
    loaded = checkpoint.load(path).tensors["w"]
    checkpoint.save(path, {"w": torch.ones(4)})
    path.unlink()
    assert torch.equal(loaded, torch.zeros(4))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 3), nn.Linear(3, 5)
        self.head.weight = self.embed.weight


def test_both_names_of_a_tied_tensor_are_written_and_the_tie_recorded(path):
    model = Tied()
    checkpoint.save(path, model.state_dict())
    loaded = checkpoint.load(path)
    assert loaded.tied == (("embed.weight", "head.weight"),)
    assert torch.equal(loaded.tensors["embed.weight"], loaded.tensors["head.weight"])
    other = Tied()
    other.load_state_dict(loaded.tensors, strict=True)
    assert other.head.weight is other.embed.weight
    assert torch.equal(other.head.weight, model.head.weight)


w = randn(4, 4)
TIES = {
    "one tensor": ({"a": w, "b": w}, (("a", "b"),)),
    "the same view made twice": ({"a": w[:2], "b": w[:2]}, (("a", "b"),)),
    "three, and two, and one": (
        {"a": w, "b": w[0], "c": w, "d": w[0], "e": w, "f": w[1]},
        (("a", "c", "e"), ("b", "d")),
    ),
    "halves": ({"a": w[:2], "b": w[2:]}, ()),
    "a part and the whole": ({"a": w[:2], "b": w}, ()),
    "transposed square": ({"a": w, "b": w.t()}, ()),
    "reshaped": ({"a": w, "b": w.view(16)}, ()),
    "the same bits as another type": ({"a": w, "b": w.view(torch.int32)}, ()),
    "equal values": ({"a": w, "b": w.clone()}, ()),
    "empty": ({"a": torch.empty(0), "b": torch.empty(0)}, ()),
}


@pytest.mark.parametrize(("state", "wanted"), TIES.values(), ids=TIES)
def test_ties_are_the_same_view_of_the_same_memory(path, state, wanted):
    assert checkpoint.ties(state) == wanted
    checkpoint.save(path, state)
    loaded = checkpoint.load(path)
    assert loaded.tied == wanted
    assert loaded.tensors.keys() == state.keys()
    for name, tensor in state.items():
        assert same_bits(loaded.tensors[name], tensor)


def test_the_file_is_read_only_and_can_be_replaced(path):
    for value in (1.0, 2.0):
        checkpoint.save(path, {"w": torch.full((2,), value)})
        assert path.stat().st_mode & 0o777 == 0o444
        assert checkpoint.load(path).tensors["w"].tolist() == [value, value]
    assert os.listdir(path.parent) == [path.name]


def test_two_saves_give_the_same_bytes(path):
    state = {f"layer{i}.weight": randn(i, 3) for i in range(1, 9)}
    metadata = {f"key{i}": i for i in range(9)}
    checkpoint.save(path, state, metadata)
    first = path.read_bytes()
    backwards = dict(reversed(state.items()))
    checkpoint.save(path, backwards, dict(reversed(metadata.items())))
    assert path.read_bytes() == first


def test_tied_tensors_are_tied_again_after_load_and_after_another_save(tmp_path):
    shared = torch.arange(3.0)
    checkpoint.save(tmp_path / "a.safetensors", {"encoder": shared, "decoder": shared})
    first = checkpoint.load(tmp_path / "a.safetensors")
    assert first.tensors["encoder"] is first.tensors["decoder"]
    checkpoint.save(tmp_path / "b.safetensors", first.tensors)
    assert (
        checkpoint.load(tmp_path / "b.safetensors").tied == first.tied == (("decoder", "encoder"),)
    )
