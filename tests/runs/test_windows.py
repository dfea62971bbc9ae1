"""The map of windows, and scores of any file, on one small finished run."""

import json

import pandas as pd
import pytest
import torch

import average as average_command
import score as score_command
import windows as windows_command
from polyak import averaging
from polyak.config.finished import FinishedRun
from polyak.errors import PolyakError
from polyak.evaluation import logits as evaluation
from polyak.models.small_cnn import SmallCNN
from polyak.runs import windows
from polyak.weights import checkpoint


@pytest.fixture(scope="module")
def table(directory):
    windows_command.main([str(directory)])
    return pd.read_csv(directory / "windows.csv")


def test_every_window_is_there_once_on_every_split(table):
    found = {(row.start, row.end, row.split) for row in table.itertuples()}
    assert len(table) == len(found) == 15 * 2
    assert (table["count"] == table["end"] - table["start"]).all()


@pytest.mark.parametrize(("start", "end"), [(0, 5), (2, 4), (3, 4)])
def test_a_windows_average_is_the_streamed_one_bit_for_bit(directory, table, start, end):
    run = FinishedRun(directory)
    average = averaging.mean_of_files([run.checkpoint(epoch) for epoch in range(start, end)])
    model = SmallCNN((3, 8, 8), 10, channels=(4, 8), hidden=16)
    model.load_state_dict(average.tensors)
    for split, data in run.data.evaluated.items():
        answers = evaluation.logits(model, data.images, precision="fp32")
        wanted = evaluation.scores(answers, data.labels)
        row = table[(table["start"] == start) & (table["end"] == end) & (table["split"] == split)]
        assert row["loss"].item() == wanted.loss
        assert row["accuracy"].item() == wanted.accuracy


def test_interrupted_it_goes_on_where_it_was(directory, table, tmp_path, monkeypatch):
    run, path = FinishedRun(directory), tmp_path / "windows.csv"
    wanted = windows.windows(range(5), range(1, 6))

    def interrupt():
        if len(path.read_text().splitlines()) > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        windows.complete(run, path, wanted, on_window=interrupt)
    with path.open("a") as file:
        file.write("4,5,1,te")  # cut off in the middle of a line
    before = len(path.read_text().splitlines())
    counted = []
    windows.complete(run, path, wanted, on_window=lambda: counted.append(1))
    assert len(counted) == 15 - (before - 2) // 2
    again = pd.read_csv(path).sort_values(["start", "end", "split"], ignore_index=True)
    whole = table.sort_values(["start", "end", "split"], ignore_index=True)
    pd.testing.assert_frame_equal(again, whole, check_exact=True)


def test_the_window_is_selected_on_validation_alone():
    rows = [
        windows.Row(0, 2, 2, "validation", 1.0, 0.7),
        windows.Row(1, 2, 1, "validation", 0.5, 0.7),
        windows.Row(0, 2, 2, "test", 0.1, 0.99),
    ]
    assert windows.selected(rows) == (1, 2)
    assert windows.selected(rows[2:]) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--starts", "0:9"], "allowed: from 0 to 4"),
        (["--starts", "x"], "allowed: a:b"),
        (["--starts", "4", "--ends", "2"], "no window"),
        (["--splits", "train"], "has no train split; allowed: validation, test"),
    ],
)
def test_windows_that_are_not_there_are_refused(directory, arguments, message):
    with pytest.raises(SystemExit, match=message):
        windows_command.main([str(directory), *arguments])


def test_a_directory_that_is_no_finished_run_is_refused(tmp_path):
    with pytest.raises(PolyakError, match="not a finished run"):
        FinishedRun(tmp_path)


def test_greedy_takes_what_helps_on_validation(directory, table):
    """Its average is at least as accurate there as the best checkpoint that it could take."""
    summary = json.loads((directory / "summary.json").read_text())
    validation = table[(table["split"] == "validation") & (table["start"] >= 1)]
    single = validation[validation["count"] == 1]["accuracy"].max()
    assert summary["results"]["average"]["validation"]["accuracy"] >= single
    assert set(summary["weights"]) <= {0, 1}
    assert sum(summary["weights"]) >= 1


def test_the_ensemble_is_that_of_the_weighted_checkpoints(directory):
    summary = json.loads((directory / "summary.json").read_text())
    run = FinishedRun(directory)
    probabilities = torch.zeros(90, 10, dtype=torch.float64)
    for epoch, weight in zip(range(1, 5), summary["weights"], strict=True):
        file = directory / "predictions" / "test" / f"epoch_{epoch:03d}.safetensors"
        answers = checkpoint.load(file).tensors["logits"].double()
        probabilities += weight * answers.softmax(1) / sum(summary["weights"])
    right = probabilities.gather(1, run.data.test.labels[:, None])
    ensemble = summary["results"]["ensemble"]["test"]
    assert ensemble["loss"] == pytest.approx(-right.log().mean().item())
    correct = (probabilities.argmax(1) == run.data.test.labels).double().mean().item()
    assert ensemble["accuracy"] == correct


def test_score_gives_the_runs_own_numbers(directory, tmp_path, capsys):
    weights, out = directory / "averaged.safetensors", tmp_path / "scores"
    for split in ("test", "validation"):
        score_command.main(
            [str(weights), "--run", str(directory), "--split", split, "--output", f"{out}_{split}"]
        )
        found = json.loads((tmp_path / f"scores_{split}" / "scores.json").read_text())
        wanted = json.loads((directory / "summary.json").read_text())["results"]["average"][split]
        assert {name: found[name] for name in wanted} == wanted
        predictions = pd.read_csv(tmp_path / f"scores_{split}" / "predictions.csv")
        assert (predictions["label"] == predictions["answer"]).mean() == found["accuracy"]
    assert "calibration error" in capsys.readouterr().out


def test_score_refuses_what_does_not_fit(directory, tmp_path):
    other = tmp_path / "other.pt"
    torch.save({"features.0.weight": torch.zeros(1)}, other)
    arguments = ["--run", str(directory), "--output", str(tmp_path / "out")]
    for weights, message in (
        (other, "not this model's weights"),
        (tmp_path / "missing.pt", "there is no such file"),
    ):
        with pytest.raises(SystemExit, match=message):
            score_command.main([str(weights), *arguments])
    with pytest.raises(SystemExit, match="--split nowhere: allowed: train, validation, test"):
        score_command.main([str(directory / "averaged.safetensors"), *arguments, "--split=nowhere"])
    assert not (tmp_path / "out").exists()


def test_average_of_a_runs_checkpoints_is_the_runs_average(directory, tmp_path):
    """The same files, by the command that knows nothing of runs."""
    run = FinishedRun(directory)
    wanted = averaging.mean_of_files([run.checkpoint(epoch) for epoch in range(2, 5)]).tensors
    out = tmp_path / "out.safetensors"
    average_command.main([str(out), *(str(run.checkpoint(epoch)) for epoch in range(2, 5))])
    found = checkpoint.load(out).tensors
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "0.5", "0.6"], "they sum to 1.1"),
        (["--weights", "1.5", "-0.5"], "not negative"),
        (["--weights", "1"], "1 weights for 2 files"),
        (["--scheme", "exponential"], "needs --set decay"),
        (["--scheme", "latest", "--set", "decay=1"], "latest takes k"),
    ],
)
def test_average_refuses_what_makes_no_average(directory, tmp_path, arguments, message):
    run, out = FinishedRun(directory), tmp_path / "out.safetensors"
    with pytest.raises(SystemExit, match=message):
        average_command.main([str(out), *(str(run.checkpoint(e)) for e in (0, 1)), *arguments])
    assert not out.exists()


def test_only_a_choice_on_test_is_an_oracle():
    rows = [
        windows.Row(start, 4, 4 - start, split, 0.5, accuracy)
        for split in ("test", "validation")
        for start, accuracy in ((0, 0.6), (1, 0.8), (2, 0.7))
    ]
    lines = windows_command.report(rows, windows.Spent(), (2, 4)).splitlines()
    oracles = [line for line in lines if "oracle" in line]
    assert len(oracles) == 1
    assert oracles[0].split()[0] == "test"
    assert any("validation" in line and "selected on validation" in line for line in lines)
