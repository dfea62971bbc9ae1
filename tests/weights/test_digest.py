"""The digest of weights: equal weights have equal ones, whatever file, device or format."""

import hashlib
import json

import pytest
import torch
from torch import nn

from polyak.weights import checkpoint
from tests.weights.states import STATES, VIEWS, from_bits, randn


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "epoch_000.safetensors"


@pytest.mark.parametrize("tensor", STATES.values(), ids=STATES)
def test_digest_is_the_plain_hash_of_names_types_shapes_and_bytes(tensor):
    head = json.dumps(["entry", str(tensor.dtype), list(tensor.shape)]).encode()
    content = bytes(tensor.flatten().view(torch.uint8).tolist())
    wanted = hashlib.sha256(head + content).hexdigest()
    assert checkpoint.digest({"entry": tensor}) == wanted


def test_digest_stays_what_it_was():
    """Trajectories on disk hold digests: a new way to count them makes all of those differ."""
    state = {"b": torch.arange(6.0).view(2, 3), "a": torch.tensor(True)}
    wanted = "0d15763183a7f7d8b28e2bc7cc34126a1d7d3da53edfb2997b1b6bd0314f353f"
    assert checkpoint.digest(state) == wanted


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_digest_does_not_depend_on_the_memory_format(view):
    assert checkpoint.digest({"w": view}) == checkpoint.digest({"w": view.contiguous()})


def test_digest_does_not_depend_on_order_file_or_gradient(path):
    state = {"b": nn.Parameter(randn(3)), "a": randn(2)}
    checkpoint.save(path, state, {"epoch": 9})
    wanted = checkpoint.digest(state)
    assert checkpoint.digest(dict(reversed(state.items()))) == wanted
    assert checkpoint.digest(checkpoint.load(path).tensors) == wanted


base = {"a": torch.zeros(2, 3), "b": torch.ones(6)}
OTHERS = {
    "name": {"a": base["a"], "c": base["b"]},
    "names swapped": {"a": base["b"], "b": base["a"]},
    "float type of the same bytes": {**base, "a": torch.zeros(2, 3, dtype=torch.int32)},
    "another shape of the same bytes": {**base, "a": torch.zeros(3, 2)},
    "a dimension more": {**base, "a": torch.zeros(2, 3, 1)},
    "negative zero": {**base, "a": torch.tensor([[0.0, 0, 0], [0, 0, -0.0]])},
    "the last bit": {**base, "b": torch.nextafter(base["b"], torch.tensor(2.0))},
    "an entry less": {"a": base["a"]},
    "an empty entry more": {**base, "c": torch.empty(0)},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_digest_sees_every_difference(other):
    assert checkpoint.digest(other) != checkpoint.digest(base)


def test_digest_sees_the_payload_of_a_nan():
    one, other = from_bits(0x7FC00000), from_bits(0x7FC00001)
    assert checkpoint.digest({"w": one}) != checkpoint.digest({"w": other})
