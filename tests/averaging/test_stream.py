import json
import sys

import pytest
import safetensors.torch
import torch

from polyak import files
from polyak.averaging.mean import mean_of_states
from polyak.averaging.stream import average_files
from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.foreign import open_source
from polyak.weights.streamed import DTYPES
from tests import own_memory


def state(seed):
    generator = torch.Generator().manual_seed(seed)
    floating = [dtype for dtype in DTYPES if dtype.is_floating_point]
    made = {
        f"x{place}": torch.randn(3, 4, generator=generator).to(dtype)
        for place, dtype in enumerate(floating)
    }
    made |= {"empty": torch.zeros(0, 5), "scalar": torch.randn((), generator=generator)}
    made |= {"count": torch.tensor(seed), "mask": torch.tensor([True, seed % 2 == 0])}
    made["odd"] = torch.randn(7, generator=generator).to(torch.bfloat16)
    return made


@pytest.fixture
def paths(tmp_path):
    found = [tmp_path / "a.safetensors", tmp_path / "b.pt", tmp_path / "c.pth"]
    safetensors.torch.save_file(state(0), found[0])
    torch.save(state(1), found[1])
    torch.save({"state_dict": state(2)}, found[2])
    return found


@pytest.mark.parametrize("weights", [None, [0.25, 0.5, 0.25], [1, 0, 3]])
def test_has_the_bits_of_the_mean_in_memory(tmp_path, paths, weights):
    average_files(tmp_path / "out.safetensors", paths, weights)
    found = safetensors.torch.load_file(tmp_path / "out.safetensors")
    wanted = mean_of_states([state(seed) for seed in range(3)], weights)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name


def test_the_output_says_what_it_was_made_of(tmp_path, paths):
    average_files(tmp_path / "out.safetensors", paths, [0.25, 0.25, 0.5], {"scheme": "explicit"})
    metadata = checkpoint.load(tmp_path / "out.safetensors").metadata
    assert metadata["scheme"] == "explicit"
    assert metadata["sources"] == [
        {"path": str(path), "sha256": files.sha256(path), "weight": weight}
        for path, weight in zip(paths, [0.25, 0.25, 0.5], strict=True)
    ]


def test_tied_tensors_are_averaged_once_and_stay_tied(tmp_path):
    for seed in range(2):
        shared = torch.full((3,), float(seed))
        torch.save({"head": shared, "embed": shared}, tmp_path / f"{seed}.pt")
    average_files(tmp_path / "out.safetensors", [tmp_path / "0.pt", tmp_path / "1.pt"])
    found = checkpoint.load(tmp_path / "out.safetensors")
    assert found.tied == (("embed", "head"),)
    assert found.tensors["head"].tolist() == [0.5] * 3
    assert found.tensors["head"].data_ptr() == found.tensors["embed"].data_ptr()


def test_honest_ties_of_safetensors_stay_tied_and_false_ones_leave_no_output(tmp_path):
    paths = [tmp_path / f"{place}.safetensors" for place in range(2)]
    for value, path in enumerate(paths):
        shared = torch.full((3,), float(value))
        checkpoint.save(path, {"head": shared, "embed": shared})
    average_files(tmp_path / "out.safetensors", paths)
    found = checkpoint.load(tmp_path / "out.safetensors")
    assert found.tied == (("embed", "head"),)
    assert found.tensors["head"] is found.tensors["embed"]
    assert found.tensors["head"].tolist() == [0.5] * 3
    false = {"head": torch.ones(3), "embed": torch.zeros(3)}
    claim = {checkpoint.METADATA_KEY: '{"tied": [["embed", "head"]]}'}
    paths[1].unlink()
    safetensors.torch.save_file(false, paths[1], claim)
    with pytest.raises(CheckpointError, match=r"1\.safetensors: tensors 'embed' and 'head' are"):
        average_files(tmp_path / "out2.safetensors", paths)
    assert not list(tmp_path.glob("*out2*"))


def other(**changed):
    return state(1) | changed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (other(x1=torch.zeros(4, 4)), "b.pt: tensor 'x1' is"),
        (other(x1=torch.zeros(3, 4, dtype=torch.float64)), "b.pt: tensor 'x1' is"),
        (other(more=torch.zeros(1)), "b.pt: tensor 'more' is .* but missing in .*a.safetensors"),
        ({k: v for k, v in state(1).items() if k != "odd"}, "b.pt: tensor 'odd' is missing"),
        (other(scalar=torch.tensor(float("nan"))), "b.pt: tensor 'scalar' has values that are"),
    ],
)
def test_files_that_do_not_fit_are_named_and_leave_no_output(tmp_path, paths, content, message):
    torch.save(content, paths[1])
    with pytest.raises(CheckpointError, match=message):
        average_files(tmp_path / "out.safetensors", paths)
    assert not list(tmp_path.glob("*out*"))


def test_an_output_that_exists_is_kept(tmp_path, paths):
    (tmp_path / "out.safetensors").write_text("mine")
    with pytest.raises(FileExistsError, match="exists already"):
        average_files(tmp_path / "out.safetensors", paths)
    assert (tmp_path / "out.safetensors").read_text() == "mine"


@pytest.mark.parametrize("weights", [[1], [1, 1, -1], [1, 1, float("nan")], [0, 0, 0]])
def test_weights_that_do_not_fit_leave_no_output(tmp_path, paths, weights):
    with pytest.raises(ValueError, match="weight"):
        average_files(tmp_path / "out.safetensors", paths, weights)
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("block", [1, 2, 7])
def test_blocks_leave_no_trace(tmp_path, paths, monkeypatch, block):
    average_files(tmp_path / "one.safetensors", paths, [1, 2, 4])
    monkeypatch.setattr("polyak.averaging.stream.BLOCK", block)
    average_files(tmp_path / "two.safetensors", paths, [1, 2, 4])
    one, two = (tmp_path / f"{name}.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def shards(folder):
    return {path.name: safetensors.torch.load_file(path) for path in folder.glob("*.safetensors")}


@pytest.mark.parametrize(("limit", "count"), [(1, 9), (60, 4), (10**9, 1)])
def test_shards_have_the_tensors_of_the_one_file(tmp_path, paths, limit, count):
    """float64 [3, 4] has 96 bytes, and a file of its own where the limit is smaller."""
    average_files(tmp_path / "one.safetensors", paths)
    folder = tmp_path / "out"
    average_files(folder, paths, max_shard_size=limit)
    found = shards(folder)
    assert len(found) == count
    for tensors in found.values():
        sizes = [tensor.nbytes for tensor in tensors.values()]
        assert sum(sizes) <= limit or len([size for size in sizes if size]) == 1
    together = {name: tensor for tensors in found.values() for name, tensor in tensors.items()}
    wanted = safetensors.torch.load_file(tmp_path / "one.safetensors")
    assert together.keys() == wanted.keys()
    assert all(torch.equal(together[name], tensor) for name, tensor in wanted.items())
    if count == 1:
        assert [path.name for path in folder.iterdir()] == ["model.safetensors"]
        return
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(one.nbytes for one in wanted.values())
    assert index["weight_map"] == {name: file for file, one in found.items() for name in one}
    assert min(found) == f"model-00001-of-{count:05d}.safetensors"
    with safetensors.safe_open(folder / min(found), framework="pt") as file:
        assert file.metadata()["format"] == "pt"  # transformers refuses files without it
    with open_source(folder) as source:
        assert len(source.metadata["sources"]) == 3
        average_files(tmp_path / "again.safetensors", [folder])
    again = safetensors.torch.load_file(tmp_path / "again.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in wanted.items())


def test_tied_tensors_are_in_one_shard_and_stay_tied(tmp_path):
    shared = torch.ones(3)
    checkpoint.save(tmp_path / "a.safetensors", {"a": shared, "b": torch.ones(5), "z": shared})
    average_files(tmp_path / "out", [tmp_path / "a.safetensors"], max_shard_size=1)
    assert sorted(map(sorted, shards(tmp_path / "out").values())) == [["a", "z"], ["b"]]
    with open_source(tmp_path / "out") as source:
        assert source.tied == (("a", "z"),)


@pytest.mark.process
def test_processes_write_the_same_files(tmp_path, paths):
    average_files(tmp_path / "a", paths, max_shard_size=100)
    average_files(tmp_path / "b", paths, max_shard_size=100, workers=2)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    torch.save({"x": torch.tensor([torch.nan])}, paths[1])
    with pytest.raises(CheckpointError, match=r"b\.pt: tensor 'x' has values that are not"):
        average_files(tmp_path / "c", [paths[1]], max_shard_size=100, workers=2)
    assert not list(tmp_path.glob("*c"))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("limit", [None, 100])
def test_a_disk_that_is_full_leaves_no_output(tmp_path, paths, monkeypatch, limit):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("polyak.averaging.stream._data", full)
    with pytest.raises(OSError, match="No space"):
        average_files(tmp_path / "out.safetensors", paths, max_shard_size=limit)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


BEFORE = """
import torch
from polyak.averaging.stream import average_files

torch.set_num_threads(1)
torch.ones(1 << 20).double().sum()
"""

WATCHED = """
folder = Path(sys.argv[1])
average_files(folder / "out.safetensors", sorted(folder.glob("in*.safetensors")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
@pytest.mark.parametrize("count", [3, 10])
def test_memory_is_that_of_some_tensors_whatever_the_number_and_size_of_files(tmp_path, count):
    """Files of 64 MB in tensors of 1 MB: less than a third of one file, however many there are."""
    for place in range(count):
        target = tmp_path / f"in{place:02d}.safetensors"
        if place < 2:
            tensors = {f"t{i}": torch.full((1 << 18,), float(place)) for i in range(64)}
            safetensors.torch.save_file(tensors, target)
        else:
            target.hardlink_to(tmp_path / f"in{place % 2:02d}.safetensors")
    _, used = own_memory.beyond(BEFORE, WATCHED, [tmp_path])
    assert used < 20 << 20
    found = safetensors.torch.load_file(tmp_path / "out.safetensors")
    assert len(found) == 64
    wanted = (count // 2) / count
    assert all(tensor[0].item() == pytest.approx(wanted) for tensor in found.values())
