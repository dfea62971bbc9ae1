"""torch.save's files that hold less, more, or other than weights."""

import resource
import sys
import zipfile

import pytest
import torch
from torch import nn

from polyak.errors import CheckpointError
from polyak.weights.foreign import open_source

pytestmark = pytest.mark.filterwarnings("ignore")


def tensors(path):
    with open_source(path) as source:
        return {name: source.tensor(name) for name in source.names}


def refused(path, message):
    with pytest.raises(CheckpointError, match=rf"{path.name}: .*{message}") as caught:
        tensors(path)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 500 + len(str(path))


def conjugate():
    return torch.ones(3, dtype=torch.complex64).conj()


TENSORS = {
    "sparse": (lambda: torch.eye(3).to_sparse(), "is torch.sparse_coo on cpu; allowed: dense"),
    "csr": (lambda: torch.eye(3).to_sparse_csr(), "is torch.sparse_csr on cpu"),
    "meta": (lambda: torch.empty(10**15, device="meta"), "is torch.strided on meta"),
    "quantized": (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "quant"),
    "nested": (
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "rebuild_nested_tens",
    ),
    "conjugate": (conjugate, "is a lazy conjugate"),
    "negative": (lambda: conjugate().imag, "is a lazy conjugate"),
    "expanded": (lambda: torch.zeros(1).expand(10**12), "has 1,000,000,000,000 values .* and 1 in"),
    "overlap": (lambda: torch.zeros(9).as_strided((8, 2), (1, 1)), "has 16 values .* and 9 in"),
}


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize(("make", "message"), TENSORS.values(), ids=TENSORS)
def test_tensors_without_values_of_their_own_are_refused(tmp_path, make, message, old_format):
    path = tmp_path / "a.pt"
    torch.save({"w": make()}, path, _use_new_zipfile_serialization=not old_format)
    refused(path, message)


@pytest.mark.parametrize("name", ["", "__metadata__", "\udc80w"])
def test_names_that_no_tensor_can_have_are_refused(tmp_path, name):
    torch.save({name: torch.ones(2)}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "a tensor is named '.*allowed: Unicode text")


def test_parts_views_and_parameters_are_read(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"part": whole[1], "turned": whole.t(), "weight": nn.Parameter(whole), "\x1b": whole}
    torch.save(state, tmp_path / "a.pt")
    found = tensors(tmp_path / "a.pt")
    assert {name: one.tolist() for name, one in found.items()} == {
        name: one.tolist() for name, one in state.items()
    }
    assert not found["weight"].requires_grad


def test_a_file_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.ones(2)}, tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert tensors(tmp_path / "a.pt")["w"].tolist() == [1, 1]


class Bomb:
    """Unpickled, it is 64 GB of zeros."""

    def __reduce__(self):
        return bytearray, (1 << 36,)


class Uninitialised:
    def __reduce__(self):
        return torch.FloatTensor, (1000,)


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (nn.Linear(3, 4), "holds 'torch.nn.modules.linear.Linear', which is no plain tensor; none"),
        ({"model": nn.Linear(3, 4)}, "save the weights alone: torch.save"),
        ({"w": torch.ones(2), "more": Bomb()}, "holds '__builtin__.bytearray', which"),
        ({"w": Uninitialised()}, "holds 'torch.FloatTensor', which"),
        ({"\x1b[31m\n": 1}, r"it has '\\x1b\[31m\\n'"),
        ({f"k{number}": 1 for number in range(99)}, "it has 'k0', .* 'k9', ..."),
        ({}, "it has nothing"),
    ],
    ids=["module", "module inside", "bomb", "uninitialised", "colours", "many", "empty"],
)
def test_what_is_no_state_dict_is_one_sentence(tmp_path, content, message, old_format):
    path = tmp_path / "a.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    refused(path, message)


@pytest.mark.parametrize("content", [b"", b"\x80\x02junk", b"PK\x03\x04", b"\xff" * 99])
def test_what_is_no_file_of_torch_is_refused(tmp_path, content):
    (tmp_path / "a.pt").write_bytes(content)
    refused(tmp_path / "a.pt", "")


def rewritten(path, change=lambda name, data: data, compressed=()):
    """The zip at `path` written again, with other bytes."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in records.items():
            kind = zipfile.ZIP_DEFLATED if name.endswith(compressed) else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name), change(name, data), kind)


@pytest.mark.parametrize("record", ["data/0", "data.pkl"])
def test_a_compressed_record_is_refused_and_not_taken_for_the_values(tmp_path, record):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.arange(1000.0)}, path)
    rewritten(path, compressed=(record,))
    refused(path, f"record 'a/{record}' is compressed")


def numbers(which, value):
    """Puts the number `value` in the place of 1000, in the pickle's storage, shape or both."""

    def change(name, data):
        number = b"J" + value.to_bytes(4, "little")
        first, storage, shape = data.partition(b"M\xe8\x03")
        if not (name.endswith("data.pkl") and storage):
            return data
        before, found, after = shape.rpartition(b"M\xe8\x03")
        assert found
        return (
            first
            + (number if "storage" in which else found)
            + before
            + (number if "shape" in which else found)
            + after
        )

    return change


@pytest.mark.parametrize("which", ["storage", "shape", "storage and shape"])
@pytest.mark.parametrize("value", [1001, 2000, 1 << 30])
def test_what_a_file_claims_beyond_its_records_is_refused(tmp_path, which, value):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.arange(1000.0)}, path)
    rewritten(path, numbers(which, value))
    refused(path, "")


def test_a_record_that_is_cut_off_or_twice_there_is_refused(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.arange(1000.0)}, path)
    rewritten(path, lambda name, data: data[:100] if name.endswith("data/0") else data)
    refused(path, "")
    torch.save({"w": torch.arange(1000.0)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/DATA.pkl", b"N.")
    refused(path, "is there twice")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
def test_a_bomb_takes_no_memory(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    torch.save({"w": torch.zeros(1).expand(1 << 30)}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "has 1,073,741,824 values")
    bomb = zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with bomb as archive, archive.open("b/data.pkl", "w") as record:
        for _ in range(64):
            record.write(bytes(1 << 22))
    refused(tmp_path / "b.pt", "is compressed")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # in KiB
