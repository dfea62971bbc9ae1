"""The map of windows of one small finished run, and what the run itself averaged."""

import json
import shutil
from functools import partial

import pandas as pd
import pytest
import torch

from polyak.__main__ import main
from polyak.averaging.mean import mean_of_files
from polyak.config.finished import FinishedRun
from polyak.errors import PolyakError
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import scores
from polyak.maps import window_report, windows
from polyak.store import paths
from polyak.weights import checkpoint
from tests.small import network


@pytest.fixture(scope="module")
def table(directory):
    assert main(["windows", str(directory)]) == 0
    return pd.read_csv(directory / "windows.csv")


def test_every_window_is_there_once_on_every_split(table):
    found = {(row.start, row.end, row.split) for row in table.itertuples()}
    assert len(table) == len(found) == 15 * 2
    assert (table["count"] == table["end"] - table["start"]).all()


@pytest.mark.parametrize(("start", "end"), [(0, 5), (2, 4), (3, 4)])
def test_a_windows_average_is_the_streamed_one_bit_for_bit(directory, table, start, end):
    average = mean_of_files([paths.checkpoint(directory, epoch) for epoch in range(start, end)])
    model = network()
    model.load_state_dict(average.tensors)
    for split, data in FinishedRun(directory).job.data.evaluated.items():
        found = logits(model, data.images, Inference())
        wanted = scores(found.numpy(), data.labels.numpy())
        row = table[(table["start"] == start) & (table["end"] == end) & (table["split"] == split)]
        assert row["loss"].item() == wanted.loss
        assert row["accuracy"].item() == wanted.accuracy


def test_checkpoints_of_another_model_are_one_message(directory, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(directory, run, ignore=shutil.ignore_patterns("windows.csv"))
    for path in (run / "checkpoints").iterdir():
        checkpoint.save(path, {"w": torch.ones(3)})
    assert main(["windows", str(run)]) == 1
    said = capsys.readouterr().err
    assert "epoch_000.safetensors, averaged from epoch 0 on: not this model's weights (" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["windows", "path", "distances"])
def test_a_run_whose_checkpoints_are_a_link_is_refused(directory, tmp_path, capsys, command):
    run = tmp_path / "run"
    shutil.copytree(directory, run)
    (run / "checkpoints").rename(tmp_path / "elsewhere")
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    assert main([command, str(run)]) == 1
    assert "checkpoints: is a link or a file, where a folder is to be" in capsys.readouterr().err


def test_interrupted_it_continues_where_it_was(directory, table, tmp_path):
    run, path = FinishedRun(directory), tmp_path / "windows.csv"
    evaluator, wanted = run.job.evaluator(), windows.windows(range(5), range(1, 6))
    batch_norm = run.job.batch_norm

    def complete(on_window):
        checkpoint_of = partial(paths.checkpoint, directory)
        windows.complete(
            path, checkpoint_of, evaluator, batch_norm, wanted, bar=lambda _: on_window
        )

    def interrupt():
        if len(path.read_text().splitlines()) > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete(interrupt)
    with path.open("a") as file:
        file.write("4,5,1,te")  # cut off in the middle of a line
    before = len(path.read_text().splitlines())
    counted = []
    complete(lambda: counted.append(1))
    assert len(counted) == 15 - (before - 2) // 2
    again = pd.read_csv(path).sort_values(["start", "end", "split"], ignore_index=True)
    intact = table.sort_values(["start", "end", "split"], ignore_index=True)
    pd.testing.assert_frame_equal(again, intact, check_exact=True)


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
        (["--starts", "0:99999999999999"], "allowed: from 0 to 4"),
        (["--starts", "4", "--ends", "2"], "no window"),
        (["--splits", "nowhere"], "nowhere: no such split; allowed: train, validation, test"),
    ],
)
def test_windows_that_are_not_there_are_refused(directory, arguments, message, capsys):
    assert main(["windows", str(directory), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_the_table_and_the_map_are_printed_and_drawn(directory, table, capsys):
    before = (directory / "windows.csv").read_bytes()
    assert main(["windows", str(directory), "--starts", "1,3", "--ends", "4:6"]) == 0
    heading, *lines, drawn, file = capsys.readouterr().out.splitlines()
    assert heading == "15 windows in windows.csv"  # none had to be evaluated again
    assert any("epochs 1..4, the run's own" in line for line in lines)
    assert (drawn, file) == tuple(
        str(directory / name) for name in ("figures/windows.png", "windows.csv")
    )
    assert (directory / "figures" / "windows.png").stat().st_size > 0
    assert (directory / "windows.csv").read_bytes() == before


def test_only_the_splits_asked_for_are_evaluated(directory, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("windows.csv"))
    assert main(["windows", str(copy), "--starts", "3", "--splits", "validation"]) == 0
    assert set(pd.read_csv(copy / "windows.csv")["split"]) == {"validation"}


def test_an_interruption_says_that_the_same_command_continues(directory, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(windows, "complete", interrupt)
    assert main(["windows", str(directory)]) == 130
    assert capsys.readouterr().err == "interrupted: the same command continues\n"


def test_a_directory_that_is_no_finished_run_is_refused(tmp_path):
    with pytest.raises(PolyakError, match="not a finished run"):
        FinishedRun(tmp_path)


def test_images_that_have_changed_are_refused(directory, tmp_path, capsys):
    shutil.copytree(directory, tmp_path / "run")
    summary = json.loads((directory / "summary.json").read_text())
    summary["evaluation_keys"]["test"] = "0" * 16
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    assert main(["windows", str(tmp_path / "run")]) == 1
    assert (
        "the test images, or the code that evaluates them, have changed" in capsys.readouterr().err
    )


@pytest.mark.parametrize("command", ["windows", "distances"])
def test_epochs_that_are_not_there_are_refused_before_any_work(
    directory, tmp_path, command, capsys
):
    run = shutil.copytree(directory, tmp_path / "run")
    summary = json.loads((run / "summary.json").read_text())
    summary["config"]["training"]["epochs"] = 1_000_000
    (run / "summary.json").write_text(json.dumps(summary))
    assert main([command, str(run)]) == 1
    said = "has 5 checkpoints, and 1,000,000 epochs by its summary.json"
    assert said in capsys.readouterr().err


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
    test = FinishedRun(directory).job.data.test
    probabilities = torch.zeros(90, 10, dtype=torch.float64)
    for epoch, weight in zip(range(1, 5), summary["weights"], strict=True):
        file = directory / "predictions" / "test" / f"epoch_{epoch:03d}.safetensors"
        found = checkpoint.load(file).tensors["logits"].double()
        probabilities += weight * found.softmax(1) / sum(summary["weights"])
    right = probabilities.gather(1, test.labels[:, None])
    ensemble = summary["results"]["ensemble"]["test"]
    assert ensemble["loss"] == pytest.approx(-right.log().mean().item())
    correct = (probabilities.argmax(1) == test.labels).double().mean().item()
    assert ensemble["accuracy"] == correct


def test_only_a_choice_on_test_is_an_oracle():
    rows = [
        windows.Row(start, 4, 4 - start, split, 0.5, accuracy)
        for split in ("test", "validation")
        for start, accuracy in ((0, 0.6), (1, 0.8), (2, 0.7))
    ]
    lines = window_report.report(rows, windows.Spent(), range(2, 4)).splitlines()
    oracles = [line for line in lines if "oracle" in line]
    assert len(oracles) == 1
    assert oracles[0].split()[0] == "test"
    assert any("validation" in line and "selected on validation" in line for line in lines)
