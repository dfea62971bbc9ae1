"""A sweep of train.py, from training to report."""

import csv
import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.read.epoch_table import COLUMNS
from tests.analysis.synthetic_runs import write_run
from tests.conftest import ROOT


def test_a_real_sweep_is_analysed_from_train_to_report(train, tmp_path, capsys):
    """And it has the files and keys of the synthetic runs."""
    done = train(
        *("--multirun", "name=real", "dataset.validation=60", "averaging.start=1,2"),
        *("seed=0,1", "averaging.running=true", "optimizer.lr=0.05,1e8"),
    )
    assert done.returncode == 1  # 1e8 diverges
    real = tmp_path / "outputs" / "sweeps" / "real"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    run = real / "averaging.start=1,optimizer.lr=0.05,seed=0"
    script = str(ROOT / "src" / "distances.py")
    subprocess.run([sys.executable, script, str(run)], env=env, check=True, capture_output=True)
    assert main([str(real)]) == 0
    printed = capsys.readouterr().out
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

    synthetic = write_run(tmp_path / "synthetic")
    with (run / "metrics.csv").open() as file:
        assert tuple(next(csv.reader(file))) == COLUMNS
    wanted = json.loads((synthetic / "summary.json").read_text())
    for keys in ((), ("results",), ("results", "last", "test"), ("environment",)):
        left, right = summary, wanted
        for key in keys:
            left, right = left[key], right[key]
        assert set(left) - {"gains"} == set(right), keys  # analysis recomputes the gains
