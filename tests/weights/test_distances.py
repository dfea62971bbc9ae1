"""Distances between files of weights, beside a plain reference in float64."""

import csv
import itertools
import json
import re
import sys

import pytest
import torch

from polyak.__main__ import main
from polyak.averaging.mean import mean_of_files
from polyak.errors import CheckpointError
from polyak.weights import checkpoint, distances
from polyak.weights.distances import Row
from tests import own_memory


def random_state(generator):
    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "conv.weight": normal(5, 3, 2, 2),
        "wide": normal(1, 97),
        "half": normal(4, 3).to(torch.bfloat16),
        "double": normal(3).double(),
        "scale": normal(()),
        "empty": normal(0, 5),
        "bn.running_mean": normal(6),
        "bn.num_batches_tracked": torch.randint(0, 100, (), generator=generator),
        "mask": torch.rand(3, generator=generator) > 0.5,
    }


def saved(folder, states):
    """The checkpoints' files by epoch, from 3 on, and that of their average."""
    paths = {3 + place: folder / f"{place}.safetensors" for place in range(len(states))}
    for path, state in zip(paths.values(), states, strict=True):
        checkpoint.save(path, state)
    average = folder / "averaged.safetensors"
    checkpoint.save(average, mean_of_files(list(paths.values())).tensors)
    return paths, average


@pytest.fixture
def stored(tmp_path):
    generator = torch.Generator().manual_seed(0)
    return saved(tmp_path, [random_state(generator) for _ in range(5)])


def vector(path):
    """All floating tensors of a file but running statistics, tied ones once, as one float64
    vector."""
    state = checkpoint.load(path)
    copies = {name for group in state.tied for name in group[1:]}
    counted = [
        tensor.double().flatten()
        for name, tensor in state.tensors.items()
        if tensor.is_floating_point() and name not in copies and "running" not in name
    ]
    return torch.cat(counted)


def naive(paths, average):
    """The rows, plainly: whole vectors, one pair after the other."""
    vectors = {name: vector(path) for name, path in [*paths.items(), ("average", average)]}
    mean, rows = vectors["average"], []
    for first, second in itertools.combinations(vectors, 2):
        a, b = vectors[first], vectors[second]
        displaced = None if second == "average" else cosine(a - mean, b - mean)
        rows.append(Row(first, second, (a - b).norm().item(), cosine(a, b), displaced))
    return rows


def cosine(a, b):
    lengths = a.norm() * b.norm()
    return ((a @ b) / lengths).item() if lengths > 0 else None


def read(path):
    """The rows of a distances.csv."""
    with path.open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["first", "second", "distance", "cosine", "displacement_cosine"]
    return [
        Row(
            int(first),
            second if second == "average" else int(second),
            float(distance),
            *(float(text) if text else None for text in cosines),
        )
        for first, second, distance, *cosines in lines
    ]


def assert_same(found, wanted, relative=1e-13):
    assert [(row.first, row.second) for row in found] == [(row.first, row.second) for row in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.distance == pytest.approx(other.distance, rel=relative, abs=0)
        assert one.cosine == pytest.approx(other.cosine, abs=1e-13)
        if other.displacement_cosine is None:
            assert one.displacement_cosine is None
        else:
            assert one.displacement_cosine == pytest.approx(other.displacement_cosine, abs=1e-13)


def test_is_what_the_plain_loop_gives(stored):
    found = distances.between(*stored)
    assert len(found) == 10 + 5
    assert [row.second for row in found[:5]] == [4, 5, 6, 7, "average"]
    assert_same(found, naive(*stored))


@pytest.mark.parametrize("entries", [1, 6, 7, 50, 300])
def test_parts_of_tensors_give_what_whole_ones_do(stored, entries):
    assert_same(distances.between(*stored, entries=entries), distances.between(*stored))


@pytest.mark.parametrize("scale", [1e-3, 1e-6])
def test_near_identical_checkpoints_keep_their_digits(tmp_path, scale):
    """Also those that are far from the average, whose distance its own would swallow."""
    generator = torch.Generator().manual_seed(0)
    first, far = (torch.randn(40, 50, generator=generator).double() for _ in range(2))
    noise = torch.randn(3, 40, 50, generator=generator).double()
    near = [{"w": (first * (1 + scale * one)).float()} for one in noise]
    stored = saved(tmp_path, [*near, {"w": far.float()}])
    found = distances.between(*stored)
    assert 0 < found[0].distance < 10 * scale * first.norm()
    assert_same(found, naive(*stored))


def test_a_known_triangle(tmp_path):
    for name, values in {"a": [3.0, 0.0], "b": [0.0, 4.0], "m": [0.0, 0.0]}.items():
        checkpoint.save(tmp_path / f"{name}.safetensors", {"w": torch.tensor(values)})
    a, b, average = (tmp_path / f"{name}.safetensors" for name in "abm")
    rows = distances.between({0: a, 1: b}, average)
    assert rows == [
        Row(0, 1, 5.0, 0.0, 0.0),
        Row(0, "average", 3.0, None, None),  # no angle with zero weights
        Row(1, "average", 4.0, None, None),
    ]


def test_the_average_itself_has_no_displacement(tmp_path, stored):
    paths, average = stored
    rows = distances.between({0: paths[3], 1: average}, average)
    assert [row.displacement_cosine for row in rows] == [None] * 3
    assert rows[2].distance == 0
    assert rows[2].cosine == pytest.approx(1, abs=1e-15)


def test_tied_tensors_count_once_and_integers_not_at_all(tmp_path):
    states = []
    for value in (1.0, 3.0):
        shared = torch.full((4,), value)
        states.append({"embed": shared, "head": shared, "steps": torch.tensor(int(100 * value))})
    paths, average = saved(tmp_path, states)
    assert [row.distance for row in distances.between(paths, average)] == [4.0, 2.0, 2.0]


def test_the_file_has_every_digit_and_nothing_where_there_is_nothing(tmp_path, stored):
    rows = distances.between(*stored)
    distances.write(tmp_path / "distances.csv", rows)
    assert read(tmp_path / "distances.csv") == rows
    assert not list(tmp_path.glob(".*tmp*"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"wide": torch.ones(97, 1)}, r"1.safetensors: tensor 'wide' is torch.float32 \[97, 1\]"),
        ({"wide": torch.ones(1, 97).half()}, "1.safetensors: tensor 'wide' is torch.float16"),
        ({"more": torch.ones(1)}, "1.safetensors: tensor 'more' is .* but missing in"),
        ({"wide": None}, "1.safetensors: tensor 'wide' is missing"),
        ({"scale": torch.tensor(float("nan"))}, "1.safetensors: tensor 'scale' has values that"),
        ({"half": torch.full((4, 3), torch.inf).bfloat16()}, "1.safetensors: tensor 'half' has"),
    ],
)
def test_files_that_do_not_fit_are_named(stored, changed, message):
    paths, average = stored
    state = checkpoint.load(paths[4]).tensors | changed
    state = {name: tensor for name, tensor in state.items() if tensor is not None}
    checkpoint.save(paths[4], state)
    with pytest.raises(CheckpointError, match=message):
        distances.between(paths, average)


def test_other_ties_are_refused(tmp_path):
    shared = torch.ones(3)
    checkpoint.save(tmp_path / "a.safetensors", {"embed": shared, "head": shared})
    checkpoint.save(tmp_path / "b.safetensors", {"embed": shared, "head": shared.clone()})
    with pytest.raises(CheckpointError, match=r"b.safetensors: tied tensors are \[\], but"):
        distances.between({0: tmp_path / "a.safetensors"}, tmp_path / "b.safetensors")


def test_dtypes_that_have_no_float64_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, {"w": torch.ones(2, dtype=torch.complex64)})
    with pytest.raises(CheckpointError, match=r"a.safetensors: tensor 'w' is torch.complex64"):
        distances.between({0: path}, path)


def test_missing_and_corrupted_files_are_named(stored):
    paths, average = stored
    intact = average.read_bytes()
    average.unlink()
    with pytest.raises(CheckpointError, match=r"averaged.safetensors: there is no such file"):
        distances.between(paths, average)
    average.write_bytes(intact[: len(intact) // 2])
    with pytest.raises(
        CheckpointError, match=r"averaged.safetensors: not an intact safetensors file"
    ):
        distances.between(paths, average)


def test_a_finished_run_whose_images_are_gone(train, tmp_path, capsys):
    done = train("name=run")
    assert done.returncode == 0, done.stderr
    directory = tmp_path / "outputs" / "runs" / "run"
    summary = json.loads((directory / "summary.json").read_text())
    summary["config"]["dataset"]["train"] = str(tmp_path / "moved_away.npz")
    (directory / "summary.json").write_text(json.dumps(summary))
    assert main(["distances", str(directory)]) == 0
    _heading, *groups, _note, path = capsys.readouterr().out.splitlines()
    assert path == str(directory / "distances.csv")
    assert [(line[:30].strip(), int(line[30:34])) for line in groups] == [
        ("consecutive checkpoints", 3),
        ("pairs of epochs 2..3", 1),
        ("epochs 2..3 to the average", 2),
    ]
    rows = read(directory / "distances.csv")
    paths = {e: directory / "checkpoints" / f"epoch_{e:03d}.safetensors" for e in range(4)}
    assert_same(rows, naive(paths, directory / "averaged.safetensors"))
    # Of two checkpoints, the average is halfway.
    window = next(row for row in rows if (row.first, row.second) == (2, 3))
    assert window.displacement_cosine == pytest.approx(-1, abs=1e-6)
    assert f"{window.distance:.4g}" in groups[1]


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        (None, "error: .*run: not a finished run, it has no summary.json\n"),
        ("{", "error: .*summary.json: can't be read .*\n"),
        ("{}", "error: .*summary.json: results is missing\n"),
    ],
)
def test_what_is_no_finished_run_is_refused(tmp_path, summary, message, capsys):
    directory = tmp_path / "run"
    directory.mkdir()
    if summary is not None:
        (directory / "summary.json").write_text(summary)
    assert main(["distances", str(directory)]) == 1
    assert re.fullmatch(message, capsys.readouterr().err)
    assert not (directory / "distances.csv").exists()


BEFORE = """
import torch
from polyak.weights import distances

torch.set_num_threads(1)
some = torch.ones(13, 100).double()
torch.nn.functional.pdist(some)
some @ some.T
"""

WATCHED = """
first, second = (Path(path) for path in sys.argv[1:])
distances.between({e: (first, second)[e % 2] for e in range(12)}, first, entries=1 << 16)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
def test_memory_is_less_than_one_large_tensor(tmp_path):
    """13 files of one tensor of 8 MB, in parts of half a MB of float64 over all files."""
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for value, path in enumerate(paths):
        checkpoint.save(path, {"w": torch.full((1, 1 << 21), float(value))})
    _, used = own_memory.beyond(BEFORE, WATCHED, paths)
    assert used < 8 << 20
