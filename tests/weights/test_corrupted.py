"""Foreign and corrupted safetensors files: read where they are intact, named where not."""

import json
import os
import pickle

import pytest
import safetensors.torch
import torch

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.foreign import open_source
from tests.weights.states import STATES, randn, same_bits


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "epoch_000.safetensors"


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


def test_a_pipe_is_refused_and_not_waited_for(path):
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match=r"epoch_000\.safetensors: is no file"):
        checkpoint.load(path)


def with_header(path, header, data=bytes(4), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((length or len(text)).to_bytes(8, "little") + text + data)


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
HUGE = {"dtype": "F32", "shape": [0, 1 << 63], "data_offsets": [0, 0]}


@pytest.mark.parametrize(
    ("header", "length", "message"),
    [
        ({"w": ONE}, 1 << 60, "not an intact safetensors file .*header too large"),
        ({"__metadata__": [1], "w": ONE}, None, "not an intact .*expected a map"),
        ({"__metadata__": {"polyak": 3}, "w": ONE}, None, "not an intact .*expected a string"),
        (b'{"w": ' + b"[" * 20_000, None, "not an intact"),
        ({"w": ONE, "v": ONE}, None, "not an intact .*invalid offset"),
        ({"w": {**ONE, "shape": [1 << 40, 1 << 40]}}, None, "not an intact .*overflow"),
        ({"w": HUGE, "v": ONE}, None, "tensor 'w' can't be read"),
        ({"": ONE}, None, "a tensor is named ''; allowed: Unicode text that is not empty"),
        ({"a" * 999: {**ONE, "dtype": "F64"}}, None, "not an intact"),
        (b'{"\\udc80": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', None, "not an intact"),
    ],
)
def test_a_header_that_cannot_be_is_one_message(path, header, length, message):
    with_header(path, header, length=length)
    with pytest.raises(CheckpointError, match=rf"epoch_000\.safetensors: {message}") as caught:
        checkpoint.load(path)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_a_message_has_no_control_characters_of_the_file(path):
    with_header(path, {"\x1b[31m\n" + "a" * 999: {**HUGE}}, b"")
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    said = str(caught.value)
    assert "\\x1b[31m\\n" in said
    assert "..." in said
    assert said.isprintable()


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "message"),
    [
        ("logits", torch.float32, (3, None), None),
        ("logits", torch.float32, (2, 4), r"\[3, 4\]; allowed: torch.float32 \[2, 4\]"),
        ("logits", torch.float32, (3,), r"\[3, 4\]; allowed: torch.float32 \[3\]"),
        ("logits", torch.bfloat16, (3, 4), r"is torch.float32 \[3, 4\]; allowed: torch.bfloat16"),
        ("none", torch.float32, (None,), r"is torch.float32 \[0\]; allowed: torch.float32 \[any\]"),
        ("labels", torch.int64, (3,), "has no tensor 'labels'"),
    ],
)
def test_a_tensor_is_of_the_dtype_and_shape_that_are_asked_for(path, name, dtype, shape, message):
    checkpoint.save(path, {"logits": torch.ones(3, 4), "none": torch.ones(0)})
    if message is None:
        assert checkpoint.tensor(path, name, dtype, shape).shape == (3, 4)
        return
    with pytest.raises(CheckpointError, match=message):
        checkpoint.tensor(path, name, dtype, shape)


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
    ('{"tied": ["ab"]}', r"\"tied\"\[0\] is 'ab'"),
    ('{"tied": [[]]}', r'"tied"\[0\] is \[\]'),
    ('{"tied": [["a"]]}', r"\"tied\"\[0\] is \['a'\]"),
    ('{"tied": [["a", 1]]}', r'"tied"\[0\]\[1\] is 1 in'),
    ('{"tied": [["a", ["b"]]]}', r"\"tied\"\[0\]\[1\] is \['b'\] in"),
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
