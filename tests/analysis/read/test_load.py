"""Directories are read, whatever state they are in."""

import json
import math
import os
import sys
from pathlib import Path

import pytest
import yaml

from analysis.read.directories import AnalysisError
from analysis.read.load import load
from tests.analysis.synthetic_runs import (
    write_claim,
    write_run,
    write_sweep,
    write_unfinished,
)


def statuses(loaded):
    return dict(zip(loaded.runs["run"], loaded.runs["status"], strict=True))


def only(loaded):
    assert len(loaded.runs) == 1
    return loaded.runs.iloc[0]


def test_a_run_has_its_settings_results_and_gains(tmp_path):
    write_run(tmp_path / "sweep" / "run", lr=0.1, seed=3, start=1, gain=0.025)
    run = only(load([tmp_path / "sweep"]))
    assert run["status"] == "finished"
    assert (run["learning_rate"], run["seed"], run["start"], run["end"]) == (0.1, 3, 1, 6)
    assert (run["dataset"], run["model"], run["optimizer"]) == ("svhn", "SmallCNN", "SGD")
    assert run["gain_over_window_mean_test"] == pytest.approx(0.025)
    gain = run["average_test_accuracy"] - run["last_test_accuracy"]
    assert run["gain_over_last_test"] == pytest.approx(gain)
    assert run["seconds"] == 11
    assert run["best_by_validation_validation_loss"] == pytest.approx(
        1 - run["best_by_validation_test_accuracy"]
    )


def test_a_run_has_its_last_checkpoint_with_refreshed_statistics_and_its_stride(tmp_path):
    write_run(tmp_path / "run", start=1, stride=2, refreshed=0.02)
    window = {"start": 1, "end": 6, "count": 5}  # as summaries had it before there was a stride
    write_run(tmp_path / "old", start=1, summary={"window": window})
    runs = load([tmp_path]).runs.set_index("run")
    assert runs["stride"].to_dict() == {"run": 2, "old": 1}
    run = runs.loc["run"]
    assert run["last_refreshed_epoch"] == run["last_epoch"] == 5
    assert run["last_refreshed_test_accuracy"] == pytest.approx(run["last_test_accuracy"] + 0.02)
    for split in ("validation", "test"):
        gain = run[f"average_{split}_accuracy"] - run[f"last_refreshed_{split}_accuracy"]
        assert run[f"gain_over_last_refreshed_{split}"] == pytest.approx(gain)
    assert runs["last_refreshed_epoch"].dtype == "Int64"  # 5 in runs.csv, and not 5.0
    assert math.isnan(runs.loc["old", "last_refreshed_test_accuracy"])


def test_a_run_directory_itself_can_be_given_and_none_counts_twice(tmp_path):
    write_sweep(tmp_path / "sweep", lrs=[0.05], seeds=[0], starts=[0, 2])
    runs = [tmp_path / "sweep", *sorted((tmp_path / "sweep").iterdir())]
    assert len(load(runs).runs) == 2
    assert only(load([runs[1]]))["run"] == runs[1].name
    (tmp_path / "link").symlink_to(tmp_path / "sweep")
    assert len(load([tmp_path / "sweep", tmp_path / "link"]).runs) == 2


def test_sweeps_in_sweeps_are_found_and_a_runs_own_folders_are_not_searched(tmp_path):
    run = write_run(tmp_path / "outputs" / "sweeps" / "a, b" / "0")
    write_run(tmp_path / "outputs" / "runs" / "c")
    nested = run / "checkpoints" / "deep"
    nested.mkdir(parents=True)
    write_claim(nested)
    assert set(statuses(load([tmp_path / "outputs"]))) == {"sweeps/a, b/0", "runs/c"}


def test_failed_and_unfinished_runs_say_why(tmp_path):
    write_unfinished(tmp_path / "failed", reason="the loss became nan", lr=0.1)
    running = write_unfinished(tmp_path / "running")
    killed = write_unfinished(tmp_path / "killed")
    write_claim(killed, process=2**22 + 1)  # more than Linux gives
    lines = "epoch,lr,test_accuracy\n0,0.05,0.5\n1,0.05,0.6\n"
    (running / "metrics.csv").write_text(lines)
    loaded = load([tmp_path])
    runs = loaded.runs.set_index("run")
    assert runs["status"].to_dict() == {
        "failed": "failed",
        "running": "unfinished",
        "killed": "unfinished",
    }
    assert runs.loc["failed", "reason"] == "training: the loss became nan"
    assert runs.loc["failed", "learning_rate"] == 0.1
    assert runs.loc["running", "reason"] == "running or killed; 2 epochs so far"
    if os.path.exists("/proc/self"):
        assert "ended without writing a result" in runs.loc["killed", "reason"]
    assert loaded.epochs["test_accuracy"].tolist() == [0.5, 0.6]


def test_points_that_a_sweep_has_not_begun_are_missing(tmp_path):
    sweep = write_sweep(tmp_path / "s", lrs=[0.02], seeds=[0, 1], starts=[2])
    task = ["averaging.start=2", "optimizer.lr=0.02,0.05", "seed=0,1"]
    hydra = {"overrides": {"task": task}, "sweeper": {"params": {"averaging.start": "2,4"}}}
    # A swept key that the command fixes to one value is not in the names.
    for run in sorted(sweep.iterdir()):
        run.rename(sweep / run.name.removeprefix("averaging.start=2,"))
    (sweep / "multirun.yaml").write_text(yaml.safe_dump({"hydra": hydra}))
    loaded = load([sweep])
    assert statuses(loaded) == {
        "optimizer.lr=0.02,seed=0": "finished",
        "optimizer.lr=0.02,seed=1": "finished",
        "optimizer.lr=0.05,seed=0": "missing",
        "optimizer.lr=0.05,seed=1": "missing",
    }
    assert loaded.commands == (("--multirun", *task),)


def test_a_corrupted_multirun_file_is_noted_and_the_runs_are_read(tmp_path):
    sweep = write_sweep(tmp_path / "s", lrs=[0.02], seeds=[0], starts=[2])
    (sweep / "multirun.yaml").write_text("hydra: [")
    loaded = load([sweep])
    assert len(loaded.runs) == 1
    assert any("multirun.yaml: can't be read" in note for note in loaded.notes)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (["seed=range(0,1000000)"], "a sweep of 10,001 points or more; allowed: at most 10,000"),
        (["seed=shuffle(range(0,10000000000))"], "a sweep of 10,001 points or more"),
        (["seed=range(0,1000)", "optimizer.lr=" + ",".join("0.1" for _ in range(900))], "900,000"),
        (["seed=" + "[" * 500 + "]" * 500], "can't be read (RecursionError"),
        (["seed"], "can't be read (OverrideParseException"),
        ([{"seed": 1}], "hydra.overrides.task.0 = {'seed': 1}"),
    ],
)
def test_a_sweep_that_claims_too_much_is_noted_at_once(tmp_path, task, said):
    sweep = write_sweep(tmp_path / "s", lrs=[0.02], seeds=[0], starts=[2])
    hydra = {"overrides": {"task": task}, "sweeper": {"params": None}}
    (sweep / "multirun.yaml").write_text(yaml.safe_dump({"hydra": hydra}))
    loaded = load([sweep])
    assert len(loaded.runs) == 1
    (note,) = loaded.notes
    assert note.startswith(f"{sweep / 'multirun.yaml'}: ")
    assert said in note


def test_what_is_read_has_no_control_characters(tmp_path):
    run = write_run(tmp_path / "s" / "\x1b[31m", scheme="\x1b", dataset="\x1b", model__x="\x1b")
    write_unfinished(tmp_path / "s" / "failed", reason="\x1b")
    (run / ".hydra" / "overrides.yaml").write_text('- "seed=\\x1b"')
    loaded = load([tmp_path / "s"])
    shown = loaded.runs.drop(columns="directory").to_dict("records")
    assert "\x1b" not in str([list(row.values()) for row in shown]).replace("\\\\x1b", "")
    assert loaded.commands == (("seed=\\x1b",), ("optimizer.lr=0.05", "seed=0"))


def test_runs_outside_sweeps_give_their_own_commands(tmp_path):
    write_run(tmp_path / "run", lr=0.1, seed=4)
    assert load([tmp_path / "run"]).commands == (("optimizer.lr=0.1", "seed=4"),)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"config": 3}', '{"config": {}}', "null"])
def test_a_corrupted_summary_is_unusable(tmp_path, content):
    run = write_run(tmp_path / "s" / "run")
    (run / "summary.json").write_text(content)
    found = only(load([tmp_path / "s"]))
    assert found["status"] == "unusable"
    assert found["reason"].startswith("summary.json: ")


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.9", 97.0, -0.1])
def test_results_out_of_their_range_make_a_run_unusable(tmp_path, value):
    run = write_run(tmp_path / "s" / "run")
    summary = json.loads((run / "summary.json").read_text())
    summary["results"]["average"]["test"]["accuracy"] = value
    (run / "summary.json").write_text(json.dumps(summary))
    found = only(load([tmp_path / "s"]))
    assert found["status"] == "unusable"
    assert f"results.average.test.accuracy = {value!r}: input should be" in found["reason"]


@pytest.mark.parametrize(
    ("cut", "rows", "said"),
    [
        (lambda text: text[:-8], 5, "left out: an incomplete last line"),
        (lambda text: text.replace("test_loss", "loss"), 6, "no column test_loss"),
        (lambda text: text.replace("\n3,", "\nx,"), 5, "left out: 1 row, of damaged epoch"),
        (lambda text: "", 0, "no column epoch"),
        (lambda text: text.splitlines()[0], 0, "left out: an incomplete last line"),
    ],
)
def test_a_corrupted_metrics_file_gives_its_intact_rows_and_is_named(tmp_path, cut, rows, said):
    run = write_run(tmp_path / "s" / "run")
    text = (run / "metrics.csv").read_text()
    (run / "metrics.csv").write_text(cut(text))
    loaded = load([tmp_path / "s"])
    assert len(loaded.epochs) == rows
    assert any(said in note and "(run)" in note for note in loaded.notes), loaded.notes
    assert only(loaded)["status"] == "finished"


def test_intact_metrics_need_no_note(tmp_path):
    write_sweep(tmp_path / "s")
    loaded = load([tmp_path / "s"])
    assert loaded.notes == ()
    assert len(loaded.epochs) == 2 * 3 * 3 * 6
    assert loaded.epochs["epoch"].tolist()[:6] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "corruption",
    [
        lambda summary: summary["config"].update(seed=None),
        lambda summary: summary["config"]["optimizer"].update(lr="${x}"),
        lambda summary: summary["dataset"].update(sizes={"train": "many", "test": 4}),
        lambda summary: summary["window"].update(start=1.5),
        lambda summary: summary["results"].pop("last"),
        lambda summary: summary["results"]["ensemble"]["test"].update(accuracy=None),
        lambda summary: summary["results"].pop("window_mean"),
        lambda summary: summary["config"].pop("schedule"),
        lambda summary: summary["config"].update(model=[{"a": 1}]),
        lambda summary: summary["config"]["optimizer"].update(lr=10**400),
        lambda summary: summary["environment"].update(commit=7),
        lambda summary: summary.pop("environment"),
        lambda summary: summary["window"].update(end=-3),
    ],
)
def test_a_summary_that_lacks_what_is_needed_is_unusable_and_stops_nothing(tmp_path, corruption):
    write_sweep(tmp_path / "s", lrs=[0.02], starts=[2])
    path = write_run(tmp_path / "s" / "x", seed=9) / "summary.json"
    summary = json.loads(path.read_text())
    corruption(summary)
    path.write_text(json.dumps(summary))
    loaded = load([tmp_path / "s"])
    assert statuses(loaded)["x"] == "unusable"
    assert (loaded.runs["status"] == "finished").sum() == 3


@pytest.mark.parametrize(
    "text",
    ["optimizer: {lr: 0.", "a: [", "seed: x", "- 1", "", "training: {epochs: ${x}}"],
)
def test_a_corrupted_configuration_of_a_killed_run_stops_nothing(tmp_path, text):
    run = write_unfinished(tmp_path / "s" / "run")
    (run / ".hydra" / "config.yaml").write_text(text)
    assert only(load([tmp_path / "s"]))["status"] == "unfinished"


def test_links_to_runs_are_followed_and_loops_end(tmp_path):
    write_sweep(tmp_path / "real", lrs=[0.02], starts=[2])
    (tmp_path / "linked").mkdir()
    for run in (tmp_path / "real").iterdir():
        (tmp_path / "linked" / run.name).symlink_to(run)
    (tmp_path / "linked" / "loop").symlink_to(tmp_path / "linked")
    assert len(load([tmp_path / "linked"]).runs) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf8_are_escaped(tmp_path):
    folder = os.fsencode(tmp_path / "s") + b"/r\xff"
    os.makedirs(os.path.dirname(folder))
    write_run(Path(os.fsdecode(folder)))
    assert only(load([tmp_path / "s"]))["run"] == "r\\udcff"


@pytest.mark.parametrize("made", ["missing", "empty", "other", "file"])
def test_a_directory_without_runs_is_one_message(tmp_path, made):
    folder = tmp_path / "sweep"
    if made in ("empty", "other"):
        folder.mkdir()
    if made == "other":
        (folder / "notes.txt").write_text("mine")
    if made == "file":
        folder.write_text("mine")
    said = {"empty": "it is empty", "other": "it has no run of train.py", "file": "is a file"}
    with pytest.raises(AnalysisError, match=said.get(made, "no such directory")):
        load([folder])


def test_a_window_may_begin_within_an_epoch_and_whole_numbers_stay_whole(tmp_path):
    write_run(tmp_path / "whole", start=1)
    assert only(load([tmp_path])).to_dict()["start"] == 1
    assert load([tmp_path]).runs["start"].dtype == "Int64"
    window = {"start": 0.5, "end": 6, "count": 55, "recording": "10_per_epoch"}
    part = {"window": window, "weights": [1.0] * 55, "scheme": "uniform over steps"}
    write_run(tmp_path / "part", start=0, summary=part, averaging__start=0.5)
    runs = load([tmp_path]).runs.set_index("run")
    assert runs["start"].to_dict() == {"whole": 1.0, "part": 0.5}
    assert (runs.loc["part", "end"], runs.loc["part", "count"]) == (6, 55)
    assert "recording" not in runs
