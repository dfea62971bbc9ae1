"""On made-up run directories, which say what real ones say."""

import json

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.load import AnalysisError, load, measurements
from analysis.tables import over_seeds, text


def write_run(directory, *, lr=0.05, seed=0, start=10, gain=0.03, dataset="svhn", batch_size=128):
    directory.mkdir(parents=True)
    (directory / "claim.json").write_text("{}")
    accuracies = {"test": {"accuracy": 0.8}}
    summary = {
        "config": {
            "model": {"_target_": "polyak.models.small_cnn.SmallCNN"},
            "optimizer": {"_target_": "torch.optim.SGD", "lr": lr},
            "seed": seed,
            "training": {"batch_size": batch_size, "threads": None},
        },
        "dataset": {"name": dataset, "synthetic": False, "sizes": {"train": 5, "test": 4}},
        "window": {"start": start, "end": 20, "count": 20 - start},
        "scheme": "uniform",
        "fingerprint": f"{dataset}-{lr}-{seed}-{batch_size}",
        "evaluation_keys": {"test": "key"},
        "results": {
            "window_mean": accuracies,
            "best_by_validation": None,
            "average": {"test": {"accuracy": 0.8 + gain}},
        },
        "gains": {"over_window_mean": {"test": gain}},
    }
    (directory / "summary.json").write_text(json.dumps(summary))


@pytest.fixture
def sweep(tmp_path):
    """Two learning rates, two seeds, two starts; one failed run, one unfinished, one repeated."""
    folder = tmp_path / "a sweep, with commas"
    gains = {0: 0.02, 1: 0.04}
    for number, (lr, seed, start) in enumerate(
        (lr, seed, start) for lr in (0.02, 0.05) for seed in (0, 1) for start in (5, 10)
    ):
        write_run(folder / str(number), lr=lr, seed=seed, start=start, gain=gains[seed])
    write_run(folder / "8", lr=0.05, seed=1, start=10, gain=0.04)
    for name in ("9", "10"):
        (folder / name).mkdir()
        (folder / name / "claim.json").write_text("{}")
    (folder / "9" / "failure.json").write_text('{"stage": "training", "reason": "lr too large"}')
    return folder


def test_every_run_has_a_row_with_its_status(sweep):
    runs = load([sweep])
    assert runs["status"].value_counts().to_dict() == {
        "finished": 9,
        "failed": 1,
        "unfinished": 1,
    }
    assert runs.set_index("status").loc["failed", "reason"] == "lr too large"


def test_a_measurement_counts_once(sweep):
    assert len(measurements(load([sweep, sweep]))) == 8


def test_mean_and_spread_over_seeds(sweep):
    table = over_seeds(measurements(load([sweep])), "gain_over_window_mean_test")
    assert len(table) == 4
    assert table["n"].tolist() == [2] * 4
    assert table["mean"].tolist() == pytest.approx([0.03] * 4)
    assert table["sd"].tolist() == pytest.approx([0.02 / 2**0.5] * 4)


def test_the_text_shows_points_and_what_is_missing(sweep):
    runs = load([sweep])
    shown = text(runs, measurements(runs))
    assert "3.00 ± 1.41" in shown
    assert "83.00 ± 1.41" in shown
    assert "1 runs repeat a measurement" in shown
    assert "failed: " in shown
    assert "lr too large" in shown
    assert "unfinished: " in shown


def test_runs_of_other_settings_are_not_pooled(tmp_path, capsys):
    for number, size in enumerate((32, 64)):
        write_run(tmp_path / "sweep" / str(number), batch_size=size, seed=number)
    runs = load([tmp_path / "sweep"])
    assert over_seeds(measurements(runs), "average_test")["n"].tolist() == [1, 1]
    assert main([str(tmp_path / "sweep")]) == 1
    assert "differ in settings" in capsys.readouterr().err


def test_one_seed_has_no_spread(tmp_path):
    write_run(tmp_path / "sweep" / "0")
    runs = load([tmp_path / "sweep"])
    assert "±" not in text(runs, measurements(runs))


def test_the_command_writes_table_and_figure(sweep, capsys):
    assert main([str(sweep)]) == 0
    assert len(pd.read_csv(sweep / "analysis" / "runs.csv")) == 11
    assert (sweep / "analysis" / "gain_by_start.png").read_bytes().startswith(b"\x89PNG")
    assert "written" in capsys.readouterr().out


@pytest.mark.parametrize("made", ["missing", "empty", "unfinished", "mixed"])
def test_what_cannot_be_analysed_is_one_message(tmp_path, capsys, made):
    folder = tmp_path / "sweep"
    if made != "missing":
        folder.mkdir()
    if made == "unfinished":
        (folder / "claim.json").write_text("{}")
    if made == "mixed":
        write_run(folder / "0", dataset="svhn")
        write_run(folder / "1", dataset="house_numbers")
    assert main([str(folder)]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1


def test_a_damaged_summary_is_a_failed_run(tmp_path):
    write_run(tmp_path / "sweep" / "0")
    (tmp_path / "sweep" / "0" / "summary.json").write_text('{"config": ')
    assert load([tmp_path / "sweep"])["status"].item() == "failed"


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(AnalysisError, match="nowhere"):
        load([tmp_path / "nowhere"])
