"""The line and the plane through a run's weights, beside what the run itself recorded."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from polyak.__main__ import main
from polyak.averaging.mean import mean_of_files
from polyak.config.finished import FinishedRun
from polyak.errors import PolyakError
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import scores
from polyak.maps import path_table
from polyak.maps.path import Landscape, Point
from polyak.models.small_cnn import SmallCNN
from polyak.records.summary import Summary
from polyak.store import paths
from polyak.weights import checkpoint
from tests.small import overrides
from tests.weights.states import same_bits

SMALL = ("--points", "3", "--grid", "3", "--margin", "0.5", "--splits", "test", "validation")


@pytest.fixture(scope="module")
def run(tmp_path_factory, arrays, processes):
    """Of a model with batch norm, that averages epochs 1..4."""
    outputs = tmp_path_factory.mktemp("path")
    given = [*overrides(arrays, outputs), "model.batch_norm=true", "dataset.validation=60"]
    given += ["training.epochs=5", "averaging.start=1", "name=run", "averaging.running=false"]
    done = processes.run(given, outputs)
    assert done.returncode == 0, done.stderr
    return outputs / "runs" / "run"


@pytest.fixture(scope="module")
def table(run):
    assert main(["path", str(run), *SMALL]) == 0
    return pd.read_csv(run / "path.csv", keep_default_na=False)


def opened(directory):
    finished = FinishedRun(directory)
    return Landscape.of(directory, finished.summary.window.epochs), finished.job


def of(table, which, name, split):
    found = table[(table["which"] == which) & (table["name"] == name) & (table["split"] == split)]
    return found["loss"].item(), found["accuracy"].item()


def both(recorded):
    return recorded.loss, recorded.accuracy


def test_every_point_is_there_once_on_every_split(table):
    line = table[(table["which"] == "line") & (table["split"] == "test")]
    assert line["x_fraction"].tolist() == [-1.5, -1, -0.5, 0, 0.5, 1, 1.5]
    named = ["first", "average", "last"]
    assert line["name"].tolist() == ["", named[0], "", named[1], "", named[2], ""]
    grid = table[(table["which"] == "plane") & (table["name"] == "")]
    assert len(grid) == 2 * len(grid[["x_fraction", "y_fraction"]].drop_duplicates()) == 2 * 9
    assert len(table) == 2 * (7 + 4 + 9)


def test_the_runs_own_weights_have_the_runs_own_scores(run, table):
    """With statistics computed anew, as the average and the refreshed last checkpoint have."""
    results = Summary.read(run).results
    for split in ("validation", "test"):
        average, last = (both(results[one].splits[split]) for one in ("average", "last_refreshed"))
        assert of(table, "line", "average", split) == average
        assert of(table, "line", "last", split) == last
        assert of(table, "plane", "last", split) == last
        assert of(table, "plane", "first", split) == of(table, "line", "first", split)


def test_without_batch_norm_checkpoints_have_the_scores_of_metrics_csv(directory):
    assert main(["path", str(directory), "--points", "2", "--grid", "3", "--margin", "0"]) == 0
    table = pd.read_csv(directory / "path.csv", keep_default_na=False)
    metrics = pd.read_csv(directory / "metrics.csv").set_index("epoch")
    for name, epoch in (("first", 1), ("middle", 3), ("last", 4)):
        recorded = metrics.loc[epoch, ["test_loss", "test_accuracy"]]
        assert of(table, "plane", name, "test") == tuple(recorded)
    recorded = Summary.read(directory).results["average"].test
    assert of(table, "line", "average", "test") == both(recorded)


def test_the_runs_own_weights_have_their_bits(run):
    landscape, job = opened(run)
    average = checkpoint.load(paths.average(run)).tensors
    names = [name for name in average if name not in job.batch_norm.names]
    wanted = {"first": 1, "middle": 3, "last": 4}
    for point in landscape.line(3, 0) + landscape.grid(3, 0):
        if point.name in wanted:
            stored = checkpoint.load(paths.checkpoint(run, wanted[point.name])).tensors
        elif point.name == "average":
            stored = average
        else:
            continue
        found = landscape.weights(point).tensors
        floating = [name for name in names if found[name].is_floating_point()]
        assert len(floating) == len(found) - 6
        assert all(same_bits(found[name], stored[name]) for name in floating)
        counted = checkpoint.load(paths.checkpoint(run, 4)).tensors[
            "features.1.num_batches_tracked"
        ]
        assert torch.equal(found["features.1.num_batches_tracked"], counted)


def test_a_point_between_is_mixed_in_float64_refreshed_and_evaluated(run, table):
    _, job = opened(run)
    average = checkpoint.load(paths.average(run)).tensors
    last = checkpoint.load(paths.checkpoint(run, 4)).tensors
    halfway = {
        name: ((average[name].double() + last[name].double()) / 2).float()
        if last[name].is_floating_point()
        else last[name]
        for name in average
    }
    model = SmallCNN((3, 8, 8), 10, channels=(4, 8), hidden=16, batch_norm=True)
    model.load_state_dict(job.batch_norm.refreshed(checkpoint.Checkpoint(halfway)).tensors)
    wanted = scores(
        logits(model, job.data.test.images, Inference()).numpy(), job.data.test.labels.numpy()
    )
    row = table[(table["which"] == "line") & (table["x_fraction"] == 0.5)]
    row = row[row["split"] == "test"]
    assert (row["loss"].item(), row["accuracy"].item()) == both(wanted)


def test_distances_are_of_weights_alone(run, table):
    """Of all floating tensors but batch norm's statistics."""
    landscape, job = opened(run)
    average = checkpoint.load(paths.average(run)).tensors
    names = [
        name
        for name, tensor in average.items()
        if tensor.is_floating_point() and name not in job.batch_norm.names
    ]

    def vector(state):
        return np.concatenate([state[name].double().numpy().ravel() for name in names])

    first, middle, last = (
        vector(checkpoint.load(paths.checkpoint(run, epoch)).tensors) for epoch in (1, 3, 4)
    )
    line = table[table["which"] == "line"].set_index("name")["x"]
    assert -line["first"].iat[0] == pytest.approx(np.linalg.norm(first - vector(average)))
    assert line["last"].iat[0] == pytest.approx(np.linalg.norm(last - vector(average)))
    plane = table[table["which"] == "plane"].set_index("name")[["x", "y"]]
    corners = [plane.loc[name].iloc[0].to_numpy() for name in ("first", "middle", "last")]
    for (a, one), (b, other) in (
        ((corners[0], first), (corners[1], middle)),
        ((corners[1], middle), (corners[2], last)),
        ((corners[2], last), (corners[0], first)),
    ):
        assert np.linalg.norm(a - b) == pytest.approx(np.linalg.norm(one - other))
    # The mean of four projected onto the plane of three: the part of the fourth is off it.
    assert landscape.projection.away > 0.01 * landscape.plane.height


def test_interrupted_it_continues_where_it_was(run, table, tmp_path):
    landscape, job = opened(run)
    points = landscape.line(3, 0.5) + landscape.grid(3, 0.5)
    evaluator, path = job.evaluator(["test", "validation"]), tmp_path / "path.csv"

    def complete(on_point):
        return path_table.complete(
            path, landscape, points, evaluator, job.batch_norm, bar=lambda _: on_point
        )

    def interrupt():
        if len(path.read_text().splitlines()) > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete(interrupt)
    with path.open("a") as file:
        file.write("plane,,0.1,0.2")  # cut off in the middle of a line
    counted = []
    complete(lambda: counted.append(1))
    assert len(counted) == 20 - 5
    assert path.read_bytes() == (run / "path.csv").read_bytes()


def test_more_points_keep_those_that_are_there(run, table, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    options = ["--points", "5", "--line-only", *SMALL[4:]]
    assert main(["path", str(copy), *options]) == 0
    again = pd.read_csv(copy / "path.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(again[: len(table)], table, check_exact=True)
    assert len(again) == len(table) + 2 * 6
    capsys.readouterr()
    before = (copy / "path.csv").read_bytes()
    assert main(["path", str(copy), *options]) == 0
    heading, *lines, drawn, file = capsys.readouterr().out.splitlines()
    assert heading == "points: 13 of the line"  # none had to be evaluated again
    assert any("test     epoch 4  loss" in line for line in lines)
    assert (drawn, file) == (str(copy / "figures" / "path.png"), str(copy / "path.csv"))
    assert (copy / "figures" / "path.png").stat().st_size > 0
    assert (copy / "path.csv").read_bytes() == before


def test_numbers_of_other_bits_find_the_same_points(run, table):
    """With another number of threads sums differ in the last bits."""
    landscape, _ = opened(run)
    rows = path_table.read(run / "path.csv", landscape)
    points = landscape.line(3, 0.5) + landscape.grid(3, 0.5)
    moved = [Point(p.which, p.name, p.x * (1 + 1e-15), p.y) if p.name else p for p in points]
    assert path_table.missing(rows, moved, ["test"]) == []
    assert len(path_table.missing(rows, moved, ["train"])) == len(points)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace("which,name", "kind,name"), "allowed: the columns which,name,x"),
        (lambda text: text.replace("line,first,", "line,first,x", 1), "line 4 is damaged: x = 'x"),
        (lambda text: text + "plane,,1\n", "line 42 is damaged: 3 cells, for 9 columns"),
        (lambda text: text.replace("line,first,-", "line,first,-9", 1), "line 4 is of other wei"),
        (
            lambda text: text.replace("line,first", "curve,first", 1),
            "line 4 is damaged: which = 'c",
        ),
    ],
)
def test_a_damaged_path_csv_is_refused_and_left(run, table, tmp_path, damage, message, capsys):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    damaged = damage((run / "path.csv").read_text())
    (copy / "path.csv").write_text(damaged)
    assert main(["path", str(copy), *SMALL]) == 1
    assert f"path.csv: {message}" in capsys.readouterr().err
    assert (copy / "path.csv").read_text() == damaged


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--points", "-3"], "--points -3: allowed: from 2 to 1001"),
        (["--grid", "2"], "--grid 2: allowed: from 3 to 201"),
        (["--grid", "1000"], "--grid 1000: allowed: from 3 to 201"),
        (["--margin", "-0.1"], "--margin -0.1: allowed: from 0.0 to 5.0"),
        (["--margin", "nan"], "--margin nan: allowed: from 0.0 to 5.0"),
        (["--splits", "nowhere"], "nowhere: no such split; allowed: train, validation, test"),
    ],
)
def test_points_that_are_not_there_are_refused(directory, arguments, message, capsys):
    assert main(["path", str(directory), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_what_is_no_finished_run_is_refused(tmp_path, capsys):
    assert main(["path", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path}: not a finished run, it has no summary.json\n"
    )


def test_a_run_of_one_checkpoint_has_no_line(directory, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(directory, copy)
    summary = json.loads((copy / "summary.json").read_text())
    summary |= {"window": {"start": 4, "end": 5, "count": 1}, "weights": [1]}
    (copy / "summary.json").write_text(json.dumps(summary))
    assert main(["path", str(copy)]) == 1
    assert "averages one checkpoint, epoch 4, through which there is no line" in (
        capsys.readouterr().err
    )


@pytest.fixture
def made(tmp_path):
    """A directory of checkpoints with these weights, and their average or the one given."""

    def make(*values, average=None):
        for epoch, value in enumerate(values):
            checkpoint.save(paths.checkpoint(tmp_path, epoch), {"w": torch.tensor(value)})
        files = [paths.checkpoint(tmp_path, epoch) for epoch in range(len(values))]
        tensors = mean_of_files(files).tensors if average is None else {"w": torch.tensor(average)}
        checkpoint.save(paths.average(tmp_path), tensors)
        return Landscape.of(tmp_path, range(len(values)))

    return make


def test_two_checkpoints_have_a_line_and_no_plane(made):
    landscape = made([0.0, 0.0], [3.0, 4.0])
    assert landscape.lengths == {"first": 2.5, "last": 2.5}
    assert landscape.without_plane == "no plane: the window has two checkpoints, epochs 0 and 1"
    assert landscape.grid(3, 0.5) == []


def test_checkpoints_on_one_line_have_no_plane(made):
    landscape = made([0.0, 0.0], [1.0, 1.0], [3.0, 3.0])
    assert landscape.without_plane == "no plane: epochs 0, 1 and 2 lie on one line"
    assert len(landscape.line(2, 0)) == 3


def test_the_line_ends_at_an_average_that_is_a_checkpoint(made):
    landscape = made([0.0, 0.0], [1.0, 3.0], [2.0, 0.0], average=[2.0, 0.0])
    assert landscape.lengths == {"first": 2.0}
    assert [point.x for point in landscape.line(3, 0)] == [-1, -0.5, 0]
    assert landscape.plane is not None


def test_an_average_that_is_both_ends_has_no_line(made):
    with pytest.raises(PolyakError, match="has the weights of both its first and its last"):
        made([1.0, 0.0], [1.0, 0.0])


def test_the_grid_holds_all_named_points_and_the_margin(made):
    landscape = made([0.0, 0.0], [5.0, 2.0], [4.0, 0.0])  # the middle leans out beyond the last
    points = landscape.grid(5, 0.1)
    named = {point.name: (point.x, point.y) for point in points if point.name}
    assert named["middle"] == (1.25, 1)
    assert named["projection"] == pytest.approx((0.75, 1 / 3))
    grid = [point for point in points if not point.name]
    assert (min(p.x for p in grid), max(p.x for p in grid)) == pytest.approx((-0.1, 1.35), abs=0.02)
    assert (min(p.y for p in grid), max(p.y for p in grid)) == pytest.approx((-0.2, 1.2), abs=0.02)
    found = landscape.weights(Point("plane", "", 0.5, 0.5)).tensors["w"]
    assert found.tolist() == [2.0, 1.0]
