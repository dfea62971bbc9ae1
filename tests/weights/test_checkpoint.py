"""One checkpoint's file: what goes in comes out bit for bit, and what is corrupted is refused."""

import hashlib
import json
import os
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.foreign import open_source


def randn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def from_bits(*bits):
    """float32 values of these bit patterns."""
    return torch.tensor(bits, dtype=torch.int64).to(torch.int32).view(torch.float32)


STATES = {
    "float32": randn(3, 5),
    "float64": randn(3, 5).double() / 3,
    "bfloat16": randn(3, 5).bfloat16(),
    "float16": randn(3, 5).half(),
    "int64": torch.tensor([-(2**63), 0, 2**63 - 1]),
    "uint8": torch.arange(256, dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "no dimension": torch.tensor(7),
    "no entries": torch.empty(0, 3),
    "signed zeros, infinities, subnormal": from_bits(0, 1 << 31, 0x7F800000, 0xFF800000, 1),
    "NaN payloads": from_bits(0x7FC00001, 0xFFC12345, 0x7F800001),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "epoch_000.safetensors"


def same_bits(left, right):
    bits = [tensor.contiguous().flatten().view(torch.uint8) for tensor in (left, right)]
    return left.dtype == right.dtype and left.shape == right.shape and torch.equal(*bits)


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


VIEWS = {
    "channels last": randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "transposed": randn(3, 4).t(),
    "every second": randn(8)[::2],
    "expanded": randn(1, 4).expand(3, 4),
    "part of a large storage": randn(1000, 4)[10:12],
}


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


def test_any_safetensors_file_can_be_read(path):
    path.parent.mkdir()
    safetensors.torch.save_file({"w": randn(3)}, path, {"format": "pt", "step": "7"})
    loaded = checkpoint.load(path)
    assert torch.equal(loaded.tensors["w"], randn(3))
    assert (loaded.tied, loaded.metadata) == ((), {})


def test_a_missing_file_is_named(path):
    with pytest.raises(CheckpointError, match=r"epoch_000\.safetensors: there is no such file"):
        checkpoint.load(path)


def test_a_directory_is_refused(path):
    path.mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"epoch_000\.safetensors"):
        checkpoint.load(path)


def test_a_file_cut_off_anywhere_is_refused(path):
    checkpoint.save(path, {"w": randn(3), "steps": torch.tensor(4)}, {"epoch": 1})
    intact, cut = path.read_bytes(), path.with_name("cut.safetensors")
    for length in range(len(intact)):
        cut.write_bytes(intact[:length])
        with pytest.raises(CheckpointError, match=r"cut\.safetensors: not an intact"):
            checkpoint.load(cut)


@pytest.mark.parametrize("content", [b"\x00" * 64, b"hello" * 64, b"\xff" * 64, b"PK\x03\x04" * 16])
def test_what_is_no_safetensors_file_is_refused(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"epoch_000\.safetensors: not an intact"):
        checkpoint.load(path)


DEEP = "[" * 100_000
UNTIED = [
    ('{"epoch": ', "metadata are not JSON"),
    (DEEP, "metadata are not JSON"),
    ("[1]", r"metadata are \[1\]; allowed: a JSON object"),
    ("null", "metadata are None; allowed: a JSON object"),
    ('{"tied": null}', '"tied" is None in its metadata; allowed'),
    ('{"tied": 3}', '"tied" is 3'),
    ('{"tied": {"a": "b"}}', '"tied" is {'),
    ('{"tied": "ab"}', "\"tied\" is 'ab'"),
    ('{"tied": ["ab"]}', r'"tied" is \[\'ab'),
    ('{"tied": [[]]}', r'"tied" is \[\[\]\]'),
    ('{"tied": [["a"]]}', r'"tied" is \[\[\'a'),
    ('{"tied": [["a", 1]]}', r'"tied" is \[\[\'a'),
    ('{"tied": [["a", ["b"]]]}', r'"tied" is \[\[\'a'),
    ('{"tied": [["a", "nowhere"]]}', "'nowhere' is recorded as tied, but missing"),
    ('{"tied": [["a", "a"]]}', "'a' is recorded as tied 2 times"),
    ('{"tied": [["a", "same"], ["same", "a"]]}', "'a' is recorded as tied 2 times"),
    ('{"tied": [["a", "value"]]}', "'a' and 'value' are recorded as tied, but their bytes differ"),
    ('{"tied": [["value", "same", "a"]]}', "'a' and 'value' are .* their bytes differ"),
    ('{"tied": [["a", "shape"]]}', "'a' and 'shape' are .* their shapes differ"),
    ('{"tied": [["a", "dtype"]]}', "'a' and 'dtype' are .* their dtypes differ"),
    ('{"tied": [["zero", "negative"]]}', "'negative' and 'zero' are .* their bytes differ"),
    ('{"tied": [["n", "steps"]]}', "'n' and 'steps' are .* their bytes differ"),
]


def claimed(path, text):
    """A safetensors file with the metadata `text`: only "a" and "same" can be tied."""
    ones = torch.ones(2, 3)
    tensors = {
        "a": ones,
        "same": ones.clone(),
        "value": torch.nextafter(ones, torch.tensor(2.0)),
        "shape": ones.view(3, 2).clone(),
        "dtype": ones.view(torch.int32).clone(),
        "zero": torch.zeros(2),
        "negative": -torch.zeros(2),
        "n": torch.tensor(3),
        "steps": torch.tensor(4),
    }
    path.parent.mkdir(exist_ok=True)
    safetensors.torch.save_file(tensors, path, {checkpoint.METADATA_KEY: text})
    return tensors


def by_name(path):
    with open_source(path) as source:
        return {name: source.tensor(name) for name in source.names}


@pytest.mark.parametrize("read", [checkpoint.load, by_name])
@pytest.mark.parametrize(("text", "message"), UNTIED, ids=[text[:40] for text, _ in UNTIED])
def test_corrupted_metadata_and_false_ties_are_refused(path, read, text, message):
    claimed(path, text)
    with pytest.raises(CheckpointError, match=rf"epoch_000\.safetensors: .*{message}"):
        read(path)


def test_a_tie_recorded_elsewhere_is_read_in_our_order_where_the_bytes_agree(path):
    tensors = claimed(path, '{"tied": [["same", "a"]], "step": 7}')
    loaded = checkpoint.load(path)
    assert (loaded.tied, loaded.metadata) == ((("a", "same"),), {"step": 7})
    assert loaded.tensors["a"] is loaded.tensors["same"]
    assert all(same_bits(loaded.tensors[name], tensor) for name, tensor in tensors.items())
    with open_source(path) as source:
        assert source.tied == loaded.tied


def test_tied_tensors_of_equal_nan_payloads_are_tied(path):
    shared = STATES["NaN payloads"]
    checkpoint.save(path, {"a": shared, "b": shared})
    assert checkpoint.load(path).tied == (("a", "b"),)


@pytest.mark.parametrize("read", [checkpoint.load, by_name])
def test_a_dtype_that_torch_does_not_have_is_refused(path, read):
    header = {"w": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]}}
    text = json.dumps(header).encode()
    path.parent.mkdir()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(3))
    with pytest.raises(CheckpointError, match=r"epoch_000\.safetensors: tensor 'w' can't be read"):
        read(path)


class Payload:
    """Unpickled, it makes a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("dump", [pickle.dump, torch.save], ids=["pickle", "torch.save"])
def test_nothing_is_unpickled(path, tmp_path, dump):
    path.parent.mkdir()
    with path.open("wb") as file:
        dump(Payload(tmp_path / "made"), file)
    with pytest.raises(CheckpointError, match=r"epoch_000\.safetensors"):
        checkpoint.load(path)
    assert not (tmp_path / "made").exists()


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


def test_tied_tensors_are_tied_again_after_load_and_after_another_save(tmp_path):
    shared = torch.arange(3.0)
    checkpoint.save(tmp_path / "a.safetensors", {"encoder": shared, "decoder": shared})
    first = checkpoint.load(tmp_path / "a.safetensors")
    assert first.tensors["encoder"] is first.tensors["decoder"]
    checkpoint.save(tmp_path / "b.safetensors", first.tensors)
    assert (
        checkpoint.load(tmp_path / "b.safetensors").tied == first.tied == (("decoder", "encoder"),)
    )
