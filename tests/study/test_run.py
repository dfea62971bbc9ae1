"""Runs of recorded trainings, which the analysis reads as train.py's."""

import json

import pytest

import polyak
from analysis import __main__ as analysis
from analysis.figures import catalogue
from analysis.read.load import load
from analysis.read.verify import disagreements
from polyak.averaging.mean import mean_of_files
from polyak.config.finished import FinishedRun
from polyak.errors import ConfigError, EvaluationError, PolyakError
from polyak.records import metrics as metrics_csv
from polyak.records.summary import Summary
from polyak.store import linked, paths
from polyak.weights import checkpoint
from tests.study.test_study import EPOCHS, INPUTS, STEPS, evaluate, made, metrics, record


@pytest.fixture
def without_figures(monkeypatch):
    """They take most of an analysis's time, and have tests of their own."""
    for name in ("OF_ANSWER", "ACROSS"):
        monkeypatch.setattr(analysis, name, ())
    monkeypatch.setattr(catalogue, "of_group", lambda: ())


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("function", [evaluate, metrics])
def test_two_seeds_and_two_learning_rates_are_an_answer(tmp_path, capsys, function):
    metric = "accuracy" if function is evaluate else polyak.Metric("error", higher=False)
    for seed in (0, 1):
        for lr in (0.1, 1.0):
            directory = record(tmp_path / "recorded" / f"lr{lr}_seed{seed}", lr=lr, seed=seed)
            path = polyak.open(directory, function, metric=metric).run(start=2)
    assert path == tmp_path / "recorded_runs" / "lr1.0_seed1" / "start=2"
    assert analysis.main([str(tmp_path / "recorded_runs")]) == 0
    out = tmp_path / "recorded_runs" / "analysis"
    (answer,) = json.loads((out / "answers.json").read_text())
    assert len(answer["comparison_groups"]) == 1
    assert answer["difference"]["interval"]["n"] == 2
    assert {one["seed"] for one in answer["pairs"]} == {0, 1}
    (findings,) = json.loads((out / "findings.json").read_text())
    assert len(findings["mcnemar"]) == (2 if function is evaluate else 0)
    said = capsys.readouterr().out
    assert "4 finished" in said
    assert "train.py" not in said
    assert "python -m polyak windows" not in said
    assert "unknown number of training images" in said


def test_a_run_has_what_train_py_leaves(tmp_path):
    directory = record(tmp_path / "my" / "training", norm=True)
    study = polyak.open(directory, evaluate, refresh=[INPUTS], model=made(norm=True))
    path = study.run(start=1, running=True, out=tmp_path / "run", settings={"train_images": 60})
    assert list(disagreements(path)) == []
    summary = Summary.read(path)
    average = study.average(start=1)
    found = checkpoint.load(paths.average(path))
    assert checkpoint.digest(found.tensors) == checkpoint.digest(average.state_dict)
    assert summary.results["average"].test.by_name == average.scores["test"]
    assert summary.results["last_refreshed"].epoch == EPOCHS - 1
    assert summary.dataset.sizes == {"train": 60, "validation": 30, "test": 30}
    assert summary.config["optimizer"] == {"name": "sgd", "lr": 0.5}
    assert paths.checkpoint(path, 0).samefile(paths.checkpoint(directory, 0))
    rows = metrics_csv.read(path / "metrics.csv")
    assert rows.problem == ""
    assert rows.columns["lr"] == [0.5] * EPOCHS
    assert rows.columns["average_count"][1:] == [1, 2, 3]
    assert (path / "figures" / "accuracy.png").exists()
    before = (path / "summary.json").stat().st_mtime_ns
    again = study.run(start=1, running=True, out=tmp_path / "run", settings={"train_images": 60})
    assert again == path
    assert (path / "summary.json").stat().st_mtime_ns == before
    with pytest.raises(PolyakError, match=r"run with another averaging\.start was finished here"):
        study.run(start=2, running=True, out=path, settings={"train_images": 60})
    assert linked.runs(directory) == [path]


def test_a_run_of_metrics_and_step_means(tmp_path):
    directory = record(tmp_path / "run", means=True, every=2, steps_per_epoch=STEPS)
    metric = polyak.Metric("error", higher=False)
    study = polyak.open(directory, metrics, metric=metric)
    path = study.run(start=1, scheme="ema", half_life=3, of="steps")
    assert path.name == "start=1,scheme=ema,half_life=3,of=steps"
    summary = Summary.read(path)
    assert summary.results["ensemble"] is None
    assert summary.primary == "error"
    scores = {name: one.test.by_name["error"] for name, one in summary.results.items() if one}
    assert summary.gains["over_last"]["test"] == scores["last"] - scores["average"]
    assert scores["best_by_test_oracle"] == min(
        metrics(checkpoint.load(paths.checkpoint(directory, epoch)).tensors)["test"]["error"]
        for epoch in range(EPOCHS)
    )
    assert metrics_csv.read(path / "metrics.csv").others["val_error"][0] > 0
    assert not (path / "predictions").exists()
    mean = mean_of_files(sorted((path / "recordings").rglob("mean_*")), summary.weights)
    assert checkpoint.digest(mean.tensors) == checkpoint.digest(
        checkpoint.load(paths.average(path)).tensors
    )
    row = load([path]).runs.iloc[0]
    assert row["status"] == "finished", row["reason"]


def test_runs_that_can_not_be(tmp_path):
    directory = tmp_path / "run"
    with polyak.Recorder(directory, made(), settings={"weight_decay": 0.1}) as recorder:
        recorder.epoch(lr=0.2)
    study = polyak.open(directory, evaluate)
    with pytest.raises(ConfigError, match=r"seed = None: .*allowed: a number among the recorder's"):
        study.run()
    with pytest.raises(ConfigError, match=r"weight_decay = 1, and the recording has 0\.1"):
        study.run(settings={"weight_decay": 1})
    with pytest.raises(ConfigError, match="running = True: allowed: not with greedy"):
        study.run(scheme="greedy", running=True)
    path = study.run(settings={"seed": 3})
    with pytest.raises(PolyakError, match=r"is a run of a recording, .* windows RECORDING --eval"):
        FinishedRun(path)
    config = Summary.read(path).config
    assert (config["seed"], config["optimizer"]["lr"]) == (3, 0.2)
    assert config["settings"] == {"weight_decay": 0.1}
    assert config["dataset"] == {"name": tmp_path.name}
    with pytest.raises(EvaluationError, match="evaluates on no test split"):
        polyak.open(directory, lambda state: {"validation": evaluate(state)["test"]}).run()
