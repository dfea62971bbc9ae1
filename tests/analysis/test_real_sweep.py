"""A sweep of train.py, from training to report."""

import csv
import json

import pandas as pd
import pytest

from analysis.__main__ import main
from polyak.__main__ import main as polyak
from polyak.records.metrics import COLUMNS
from tests.analysis.synthetic_runs import write_run


def test_a_real_sweep_is_analysed_from_train_to_report(train, tmp_path, capsys):
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
    assert findings["primary"]["n"] == 2
    assert len(findings["epochs_saved"]) == 2
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
