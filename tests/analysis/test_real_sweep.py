"""A sweep of train.py, from training to report."""

import csv
import json
import shlex

import pandas as pd
import pytest
from safetensors.numpy import load_file

from analysis.__main__ import main
from analysis.compare.estimators import budgets
from analysis.compare.fair import answer_of
from analysis.compare.groups import comparison_groups
from analysis.read.load import load
from polyak.__main__ import main as polyak
from polyak.records.metrics import COLUMNS
from tests.analysis.synthetic_runs import write_run


def test_a_real_sweep_is_analysed_from_train_to_report(train, tmp_path, capsys, undrawn):
    """And it has the files and keys of the synthetic runs."""
    done = train(
        *("--multirun", "name=real", "dataset.validation=60", "averaging.start=1,2"),
        *("seed=0,1", "averaging.running=true", "optimizer.lr=0.05,1e8", "model.batch_norm=true"),
    )
    assert done.returncode == 1  # 1e8 diverges
    real = tmp_path / "outputs" / "sweeps" / "real"
    run = real / "averaging.start=1,optimizer.lr=0.05,seed=0"
    assert polyak(["distances", str(run)]) == 0
    assert main([str(real), "--verify"]) == 0
    printed = capsys.readouterr().out
    assert "4 runs: all numbers are those of the predictions" in printed
    assert "4 finished, 4 failed" in printed
    assert "diverged" in printed
    page = (real / "analysis" / "report.html").read_text()
    assert "python src/train.py --multirun paths.outputs" in page
    assert "name=real" in page
    (findings,) = json.loads((real / "analysis" / "findings.json").read_text())
    assert findings["mechanism"]["n"] == 2
    (answer,) = json.loads((real / "analysis" / "answers.json").read_text())
    speed = answer["speed"]
    assert [one["seed"] for one in speed["seeds"]] == [0, 1]
    assert answer["unaveraged"]["estimator"] == "last_refreshed"
    assert (speed["of_unaveraged"], len(speed["commands"])) == (None, 2)
    for command in speed["commands"]:
        assert polyak(shlex.split(command)[3:]) == 0
    found = answer_of(*budgets(comparison_groups(load([real]))))
    assert found.speed.of_unaveraged is not None
    assert found.speed.reason == ""
    summary = json.loads((run / "summary.json").read_text())
    average = summary["results"]["average"]["test"]["accuracy"]
    runs = pd.read_csv(real / "analysis" / "runs.csv").set_index("run")
    assert runs.loc[run.name, "average_test_accuracy"] == pytest.approx(average, abs=1e-12)

    refreshed = summary["results"]["last_refreshed"]["test"]["accuracy"]
    assert runs.loc[run.name, "gain_over_last_refreshed_test"] == pytest.approx(average - refreshed)
    assert findings["last"] == "last_refreshed"
    assert len(findings["mcnemar"]) == 2  # of the predictions of the refreshed last checkpoint

    synthetic = write_run(tmp_path / "synthetic", refreshed=0.01)
    with (run / "metrics.csv").open() as file:
        assert tuple(next(csv.reader(file))) == COLUMNS
    wanted = json.loads((synthetic / "summary.json").read_text())
    for keys in ((), ("results",), ("results", "last", "test"), ("window",), ("environment",)):
        left, right = summary, wanted
        for key in keys:
            left, right = left[key], right[key]
        assert set(left) == set(right), keys


def test_a_split_per_seed_from_train_to_answer(train, tmp_path, undrawn):
    """No group of three is cut, and a point with the same seed has the same split."""
    done = train(
        *("--multirun", "name=splits", "dataset.validation=60", "averaging.start=1,2"),
        *("seed=0,1", "dataset.split_seed=${seed}"),
    )
    assert done.returncode == 0
    sweep = tmp_path / "outputs" / "sweeps" / "splits"
    names = [f"averaging.start={start},seed={seed}" for start in (1, 2) for seed in (0, 1)]
    assert sorted(path.parent.name for path in sweep.glob("*/summary.json")) == names
    found = {name: json.loads((sweep / name / "summary.json").read_text()) for name in names}
    held = [
        load_file(sweep / name / "predictions" / "validation" / "labels.safetensors")["image_ids"]
        for name in names
    ]
    for ids in held:
        assert abs(len(ids) - 60) <= 1
        assert all(3 * (one // 3) + member in ids for one in ids for member in range(3))
    assert held[0].tolist() == held[2].tolist() != held[1].tolist() == held[3].tolist()
    for key in ("training_split", "fingerprint"):
        assert found[names[0]][key] == found[names[2]][key] != found[names[1]][key]
    assert [found[name]["trajectory"] for name in names] == ["trained"] * 2 + ["reused"] * 2
    assert main([str(sweep)]) == 0
    (answer,) = json.loads((sweep / "analysis" / "answers.json").read_text())
    assert answer["difference"]["interval"]["n"] == 2
    assert "which images are validation and which training (dataset.split_seed)" in answer["varied"]
    page = " ".join((sweep / "analysis" / "report.html").read_text().split())
    assert "Held fixed: the images that both are drawn from, " in page
