"""python -m analysis, from directories to files and printed results."""

import json
import os
import re
import subprocess
import sys

import pandas as pd
import pytest

from analysis.__main__ import main
from tests.analysis.synthetic_runs import GAINS, write_run, write_sweep, write_unfinished
from tests.small import ROOT

pytestmark = pytest.mark.usefixtures("undrawn")  # but for what is in a process of its own


@pytest.fixture
def sweep(tmp_path):
    """Finished runs, one failed and one repeated, in a directory whose name needs care."""
    folder = tmp_path / "a sweep, with commas & <signs>"
    write_sweep(folder, gain=GAINS.__getitem__, predictions=True, running=True)
    write_run(folder / "repeated", lr=0.02, seed=0, start=0, gain=GAINS[0])
    write_unfinished(folder / "10", reason="the loss became <script>nan</script>", lr=10.0)
    return folder


def test_everything_is_written_and_the_result_is_printed(sweep, capsys):
    assert main([str(sweep)]) == 0
    out = sweep / "analysis"
    printed = capsys.readouterr().out
    assert "19 finished, 1 failed" in printed
    assert "Gain: +2.70 points over the mean" in printed
    assert "counted once: 1 run" in printed
    assert "failed: 10: training: the loss became" in printed
    runs = pd.read_csv(out / "runs.csv")
    assert len(runs) == 20
    assert runs["counted"].sum() == 18
    assert runs.set_index("run").loc["10", "learning_rate"] == 10.0
    assert len(pd.read_csv(out / "epochs.csv")) == 19 * 6
    assert len(pd.read_csv(out / "candidates.csv")) == 6
    (findings,) = json.loads((out / "findings.json").read_text())
    assert findings["verdict"] == "gain"
    assert findings["mechanism"]["mean"] == pytest.approx(0.027)
    assert findings["mechanism"]["n"] == 3
    assert len(findings["mcnemar"]) == 3
    (answer,) = json.loads((out / "answers.json").read_text())
    assert [one["seed"] for one in answer["speed"]["seeds"]] == [0, 1, 2]
    drawn = {path.name for path in (out / "figures").iterdir()}
    assert {"gain_by_start.png", "gain_by_start.pdf", "calibration.png"} <= drawn


def test_the_report_is_one_file_that_needs_no_other(sweep):
    assert main([str(sweep)]) == 0
    page = (sweep / "analysis" / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') >= 5
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    for text in (
        "Gain: +2.70 points",
        "the loss became &lt;script&gt;nan",
        "Not drawn",
        "commit 0123abc",
        "python -m analysis &#39;",
        "95 % t interval",
        "exploratory",
    ):
        assert text in page, text
    assert "<script>" not in page
    assert "<signs>" not in page


def test_no_gain_is_reported_as_readily(tmp_path, capsys):
    gains = {0: 0.02, 1: -0.03, 2: 0.005}
    write_sweep(tmp_path / "s", gain=gains.__getitem__)
    assert main([str(tmp_path / "s")]) == 0
    page = (tmp_path / "s" / "analysis" / "report.html").read_text()
    assert "No gain detected: -0.17 points" in page
    assert "Gain:" not in page
    assert "No gain detected" in capsys.readouterr().out


def test_the_result_of_an_unfinished_sweep_is_preliminary(sweep, capsys):
    write_unfinished(sweep / "running", seed=7)
    assert main(["table", str(sweep)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Preliminary (1 run not finished). Gain: +2.70 points" in printed
    assert "18 runs of 6 trajectories; 1 not finished, 1 failed" in printed


def test_groups_have_their_own_findings_and_folders(tmp_path, capsys):
    write_sweep(tmp_path / "s" / "a", gain=GAINS.__getitem__)
    changed = {"schedule": {"_target_": "polyak.training.schedules.Cosine"}, "dataset": "other"}
    write_sweep(tmp_path / "s" / "b", gain=lambda seed: -GAINS[seed], **changed)
    assert main([str(tmp_path / "s")]) == 0
    printed = capsys.readouterr().out
    assert "Gain: +2.70 points over the mean" in printed
    assert "Loss: -2.70 points" in printed
    figures = tmp_path / "s" / "analysis" / "figures"
    folders = {path.name for path in figures.iterdir() if path.is_dir()}
    assert folders == {"1_dataset=svhn,_schedule=Constant", "2_dataset=other,_schedule=Cosine"}
    findings = json.loads((tmp_path / "s" / "analysis" / "findings.json").read_text())
    assert [one["verdict"] for one in findings] == ["gain", "loss"]


def test_a_network_with_batch_norm_beside_one_without(tmp_path, capsys):
    """Two groups: the refreshed last checkpoint is named in the one that has it."""
    options = {"lrs": [0.05], "starts": [2], "gain": GAINS.__getitem__, "predictions": True}
    write_sweep(tmp_path / "with", **options, refreshed=0.01)
    write_sweep(tmp_path / "without", **options)
    out = tmp_path / "out"
    assert main([str(tmp_path / "with"), str(tmp_path / "without"), "--out", str(out)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("over the last checkpoint with refreshed statistics") == 2
    found = {one["last"]: one for one in json.loads((out / "findings.json").read_text())}
    assert set(found) == {"last", "last_refreshed"}
    of_last, of_refreshed = found["last"], found["last_refreshed"]
    assert of_refreshed["mechanism"]["gain_over"] == "last_refreshed"
    assert of_last["mechanism"]["gain_over"] == "window_mean"
    assert "last_refreshed_test_accuracy" in of_refreshed["trajectories"][0]
    assert "last_refreshed_test_accuracy" not in of_last["trajectories"][0]
    candidates = pd.read_csv(out / "candidates.csv")
    assert candidates["gain_over_last_refreshed"].isna().sum() == 1
    assert candidates["last_refreshed_test"].notna().sum() == 1
    page = (out / "report.html").read_text()
    assert page.count("compares the average and the last checkpoint on") == 1
    assert page.count("compares the average and the last checkpoint with refreshed") == 1


def test_several_directories_are_one_analysis(tmp_path):
    write_sweep(tmp_path / "a", seeds=[0], gain=GAINS.__getitem__)
    write_sweep(tmp_path / "b", seeds=[1, 2], gain=GAINS.__getitem__)
    assert main([str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "o")]) == 0
    (findings,) = json.loads((tmp_path / "o" / "findings.json").read_text())
    assert findings["mechanism"]["n"] == 3
    assert not (tmp_path / "a" / "analysis").exists()


def test_one_figure(sweep, capsys):
    assert main(["figure", "heat_map", str(sweep)]) == 0
    files = sorted((sweep / "analysis").rglob("*.*"))
    assert [path.name for path in files] == ["heat_map.pdf", "heat_map.png"]
    assert "Each cell: mean over seeds" in capsys.readouterr().out


def test_a_figure_that_can_not_be_drawn_is_an_error(sweep, capsys):
    assert main(["figure", "distance_maps", str(sweep)]) == 1
    assert (
        "error: distance_maps: the selected runs have no distances.csv" in capsys.readouterr().err
    )


def test_the_table_writes_nothing(sweep, capsys):
    assert main(["table", str(sweep)]) == 0
    assert "the average" in capsys.readouterr().out
    assert not (sweep / "analysis").exists()


def test_numbers_that_are_not_those_of_the_predictions_are_an_error(tmp_path, capsys):
    """Those of synthetic runs are made up."""
    write_run(tmp_path / "run", validation=False, predictions=True)
    assert main(["table", str(tmp_path), "--verify"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "results.average.test.accuracy = " in printed.err


def test_a_sweep_without_a_finished_run_lists_why(tmp_path, capsys):
    write_unfinished(tmp_path / "s" / "a", reason="no disk")
    write_unfinished(tmp_path / "s" / "b")
    assert main([str(tmp_path / "s")]) == 1
    printed = capsys.readouterr()
    assert "failed: a: training: no disk" in printed.out
    assert "unfinished: b" in printed.out
    assert printed.err.startswith("error: no run has finished yet: there is no result (")
    assert printed.err.endswith("analysis has runs.csv and epochs.csv)\n")
    assert len(pd.read_csv(tmp_path / "s" / "analysis" / "runs.csv")) == 2


def test_a_directory_without_runs_is_one_message(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_sweep_of_one_seed_without_validation_claims_nothing(tmp_path, capsys):
    write_sweep(tmp_path / "s", seeds=[0], validation=False, predictions=True)
    assert main([str(tmp_path / "s")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "No candidate selected (exploratory: undecided)" in printed
    assert "without a validation split" in printed
    assert "no interval" in printed
    assert "McNemar's exact test" in printed
    assert "±" not in printed


@pytest.mark.parametrize("arguments", [["--help"], ["figure", "--help"], []])
def test_help_needs_no_torch_nor_matplotlib(arguments):
    code = (
        "import sys, analysis.__main__ as a\n"
        f"try: a.main({arguments})\n"
        "except SystemExit as stop: print(stop.code)\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "gain_by_start" in done.stdout + done.stderr or not arguments


def test_a_reader_that_stops_reading_breaks_nothing(tmp_path):
    """And what is drawn in a process of its own is in the report."""
    sweep = write_sweep(tmp_path / "a sweep", lrs=[0.05], starts=[2], gain=GAINS.__getitem__)
    command = f"'{sys.executable}' -m analysis '{sweep}' | head -1"
    done = subprocess.run(command, cwd=ROOT, shell=True, capture_output=True, text=True)
    assert "finished" in done.stdout
    assert done.stderr == ""
    report = sweep / "analysis" / "report.html"
    assert report.stat().st_size > 100_000


MEASURED = """
import sys, time
from pathlib import Path
from analysis.__main__ import main
from polyak.runs import style
style._render = lambda _, path: path.touch()  # whose time is the same for few runs and many
assert main([sys.argv[1]]) == 0
status = Path("/proc/self/status")  # a process's ru_maxrss has its parent's memory in it
lines = status.read_text().splitlines() if status.exists() else ["VmHWM: 0 kB"]
print(time.process_time(), next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


def test_a_thousand_runs_take_seconds(tmp_path):
    """40 starts, 5 learning rates and 5 seeds: all tables, what is in figures, and the report."""
    write_sweep(
        tmp_path / "s",
        lrs=(0.01, 0.02, 0.03, 0.05, 0.1),
        seeds=range(5),
        starts=range(40),
        training__epochs=41,
        gain=lambda seed: 0.02 + 0.001 * seed,
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", MEASURED, str(tmp_path / "s")]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1,000 finished" in done.stdout
    seconds, kilobytes = map(float, done.stdout.splitlines()[-1].split())
    assert seconds < 30  # of the processor: about 6 on an idle machine
    assert kilobytes < 1_000_000


def test_the_answer_comes_first_in_terminal_report_and_json(sweep, capsys):
    assert main([str(sweep), "--margin", "0.5", "--metric", "loss"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("THE ANSWER for") < printed.index("WHERE IT COMES FROM")
    (found,) = json.loads((sweep / "analysis" / "answers.json").read_text())
    assert (found["metric"], found["margin"]) == ("loss", 0.005)
    assert len(found["pairs"]) == 3
    assert (sweep / "analysis" / "figures" / "answer.pdf").stat().st_size > 0
    page = (sweep / "analysis" / "report.html").read_text()
    assert page.count("Left: the two models of each seed") == 1
    assert page.index("<h2>The answer") < page.index("<h2>Where it comes from")


@pytest.mark.parametrize("margin", ["0", "-1", "101", "much"])
def test_a_margin_that_is_none_is_refused(sweep, margin, capsys):
    with pytest.raises(SystemExit):
        main(["table", str(sweep), f"--margin={margin}"])
    assert f"{margin}: allowed: from 0.01 to 100" in capsys.readouterr().err
