"""Directories of torch.distributed.checkpoint: what torch writes is read; all else is refused."""

import io
import os
import pickle
import warnings
from itertools import pairwise, product

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from polyak.averaging.stream import average_files
from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.foreign import open_source
from tests.weights.states import STATES, VIEWS, same_bits


def tensors(path):
    with open_source(path) as source:
        found = {name: source.tensor(name) for name in source.names}
        for name, tensor in found.items():
            outline = source.outline(name)
            assert (outline.dtype, outline.shape) == (tensor.dtype, tensor.shape)
            if tensor.dim() and len(tensor) > 1:
                assert same_bits(source.rows(name, 1, 2), tensor[1:2])
        return found


def same(found, wanted):
    assert found.keys() == wanted.keys()
    assert all(same_bits(found[name], tensor) for name, tensor in wanted.items())


def saved(folder, content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is one process
        dcp.save(content, checkpoint_id=folder)
    return folder


def test_tensors_of_every_kind_are_read(tmp_path):
    wanted = STATES | VIEWS
    same(tensors(saved(tmp_path / "a", wanted)), wanted)


STATE = {"0.weight": torch.arange(6.0).reshape(3, 2), "0.steps": torch.tensor(3)}
OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"model": STATE, "optimizer": OPTIMIZER, "epoch": 3},
        {"state_dict": STATE, "ema": {"0.weight": torch.ones(1)}},
        {"app": {"model": STATE, "optim": OPTIMIZER}},
        {**STATE, "optimizer": OPTIMIZER, "step": 3},
    ],
    ids=["plain", "model", "state_dict", "app.model", "beside others"],
)
def test_the_model_is_found(tmp_path, content):
    same(tensors(saved(tmp_path / "a", content)), STATE)


def test_without_a_model_the_keys_are_shown(tmp_path):
    saved(tmp_path / "a", {"optimizer": OPTIMIZER, "lr": torch.tensor(0.1)})
    with pytest.raises(CheckpointError, match=r"no state dict is in it, nor under .*'optimizer'"):
        tensors(tmp_path / "a")


def test_of_several_models_none_is_chosen(tmp_path):
    saved(tmp_path / "a", {"one": {"model": STATE}, "two": {"model": STATE}})
    with pytest.raises(CheckpointError, match=r"several models: 'one\.model', 'two\.model'"):
        tensors(tmp_path / "a")


def test_an_average_of_them_has_the_bits_of_the_files(tmp_path):
    folders, paths = [], []
    for seed in range(2):
        state = {"w": torch.randn(5, 3, generator=torch.Generator().manual_seed(seed))}
        folders.append(saved(tmp_path / f"{seed}", {"model": state}))
        paths.append(tmp_path / f"{seed}.pt")
        torch.save(state, paths[-1])
    average_files(tmp_path / "a.safetensors", folders)
    average_files(tmp_path / "b.safetensors", paths)
    same(*(checkpoint.load(tmp_path / f"{one}.safetensors").tensors for one in "ab"))


def described(tensor, cuts):
    """A tensor cut after `cuts` of each dimension: its description, and its parts by offsets."""
    edges = [[0, *cut, size] for cut, size in zip(cuts, tensor.shape, strict=True)]
    spans = product(*(list(pairwise(edge)) for edge in edges))
    parts = {tuple(a for a, _ in span): tensor[tuple(slice(*s) for s in span)] for span in spans}
    chunks = [
        ChunkStorageMetadata(torch.Size(at), torch.Size(part.shape)) for at, part in parts.items()
    ]
    about = TensorStorageMetadata(TensorProperties(tensor.dtype), tensor.shape, chunks)
    return about, parts


def written(folder, change=lambda metadata: metadata):
    """A directory of one tensor of 5 x 4, cut in nine parts, whose metadata are changed."""
    tensor = torch.arange(20.0).reshape(5, 4)
    about, parts = described(tensor, [(2, 3), (1, 2)])
    data, stored = b"", {}
    for place, (at, part) in enumerate(parts.items()):
        buffer = io.BytesIO()
        torch.save(part.clone(), buffer)
        length = len(buffer.getvalue())
        info = _StorageInfo("__0_0.distcp", len(data), length)
        stored[MetadataIndex("w", at, place)] = info
        data += buffer.getvalue()
    metadata = Metadata({"w": about, "n": BytesStorageMetadata()}, {"w": ("w",)}, stored)
    folder.mkdir()
    (folder / "__0_0.distcp").write_bytes(data)
    changed = change(metadata)
    if not isinstance(changed, bytes):
        changed = pickle.dumps(changed or metadata)
    (folder / ".metadata").write_bytes(changed)
    return folder, tensor


def about(change):
    """A change to the description of the tensor."""
    return lambda metadata: change(metadata.state_dict_metadata["w"])


def place(**values):
    """Another place of the first part."""

    def change(metadata):
        first = next(iter(metadata.storage_data.values()))
        for key, value in values.items():
            setattr(first, key, value)

    return change


def only_state(metadata):
    metadata.state_dict_metadata.pop("n")


def test_parts_along_several_dimensions_are_put_together(tmp_path):
    folder, tensor = written(tmp_path / "a", only_state)
    same(tensors(folder), {"w": tensor})
    same(tensors(folder / ".metadata"), {"w": tensor})


class Harmful:
    def __reduce__(self):
        return (open, ("ran", "w"))


def laughs(_):
    """A key whose hash takes 2 ** 60 steps."""
    found = ("x",)
    for _ in range(60):
        found = (found, found)
    return b"\x80\x04}" + pickle.dumps(found, 4)[11:-1] + b"Ns."


def shared_chunks(metadata):
    described = metadata.state_dict_metadata
    described["w"].chunks *= 300
    described |= {f"w{n}": described["w"] for n in range(300)}


HUGE = torch.Size([2**62])
BROKEN = {
    "code": (lambda _: pickle.dumps(Harmful()), "holds '_?io.open', which is none of"),
    "code in it": (
        lambda metadata: setattr(metadata, "planner_data", {"w": Harmful()}),
        "holds '_?io.open'",
    ),
    "another class": (
        lambda metadata: setattr(metadata, "planner_data", {"w": torch.nn.Module}),
        r"holds 'torch\.nn\.modules\.module\.Module'",
    ),
    "no pickle": (lambda _: b"hello", "no intact pickle"),
    "empty": (lambda _: b" "[:0], "no intact pickle"),
    "a list": (lambda _: pickle.dumps([1]), "no Metadata where it has to be"),
    "nested": (lambda _: b"\x80\x04" + b"]" * 10**5 + b"a" * (10**5 - 1) + b".", "no Metadata"),
    "laughs": (laughs, "a key that is a tuple"),
    "memory": (lambda _: b"\x80\x04Nr\xff\xff\xff\x7f.", "no Metadata"),
    "old protocol": (lambda _: b"(lp0\n.", "instruction LIST"),
    "a long text": (lambda _: b"\x80\x04X\xff\xff\xff\x7fa.", "no intact pickle"),
    "overlap": (
        about(lambda w: setattr(w.chunks[0], "sizes", torch.Size([3, 1]))),
        "don't fill .5, 4. once",
    ),
    "equal count": (
        about(
            lambda w: (
                setattr(w.chunks[0], "sizes", torch.Size([2, 2])),
                setattr(w.chunks[2], "sizes", torch.Size([2, 1])),
            )
        ),
        "don't fill",
    ),
    "a hole": (about(lambda w: w.chunks.pop()), "don't fill"),
    "beyond": (about(lambda w: setattr(w, "size", torch.Size([4, 5]))), "larger than the tensor"),
    "dimensions": (about(lambda w: setattr(w, "size", HUGE)), "other dimensions"),
    "negative": (
        about(lambda w: setattr(w.chunks[0], "sizes", torch.Size([-2, 1]))),
        "a size is",
    ),
    "complex": (about(lambda w: setattr(w.properties, "dtype", torch.complex64)), "its dtype"),
    "other dtype": (
        about(lambda w: setattr(w.properties, "dtype", torch.int32)),
        r"is torch.float32 \[2, 1\], but torch.int32",
    ),
    "too large": (
        about(lambda w: setattr(w.properties, "dtype", torch.float64)),
        "is torch.float32",
    ),
    "shared": (shared_chunks, "more chunks than the file has bytes for"),
    "nowhere": (lambda m: m.storage_data.clear(), "its chunk at .0, 0. is in no file"),
    "another folder": (place(relative_path="../a"), "no part of a file beside"),
    "no such file": (place(relative_path="b.distcp"), "there is no 'b.distcp'"),
    "a pipe": (place(relative_path="pipe"), "there is no 'pipe'"),
    "cut off": (place(offset=10**9), "is cut off"),
    "shorter": (place(length=50), "not an intact file"),
    "shifted": (place(offset=3), "not an intact file|can't be read|cut off"),
    "compressed": (place(transform_descriptors=["zstd"]), "is compressed"),
    "negative place": (place(offset=-1), "no part of a file beside"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_or_hostile_is_refused(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)

    def changed(metadata):
        only_state(metadata)
        found = change(metadata)
        return found if isinstance(found, bytes) else metadata

    folder, _ = written(tmp_path / "a", changed)
    os.mkfifo(folder / "pipe")
    with pytest.raises(CheckpointError, match=message):
        tensors(folder)
    assert not (tmp_path / "ran").exists()


def test_a_tensor_larger_than_its_files_is_refused(tmp_path):
    """One chunk of 2 ** 60 bytes in a file of some thousand."""

    def change(metadata):
        only_state(metadata)
        about = metadata.state_dict_metadata["w"]
        about.size = torch.Size([2**50, 2**8])
        about.chunks = [ChunkStorageMetadata(torch.Size([0, 0]), about.size)]

    with pytest.raises(CheckpointError, match="more than its files"):
        tensors(written(tmp_path / "a", change)[0])


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path):
    folder, _ = written(tmp_path / "a", only_state)
    for name in (".metadata", "__0_0.distcp"):
        whole = (folder / name).read_bytes()
        for length in range(0, len(whole) - 1, len(whole) // 20):
            (folder / name).write_bytes(whole[:length])
            with pytest.raises(CheckpointError):
                tensors(folder)
        (folder / name).write_bytes(whole)
    tensors(folder)


def test_a_directory_without_weights_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"is no file; allowed: one of \.metadata, model"):
        tensors(tmp_path)
