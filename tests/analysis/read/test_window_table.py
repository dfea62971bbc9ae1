"""Averages of further windows, from the files beside the runs."""

import pytest

from analysis.read.window_table import growing, window_table
from tests.analysis.synthetic_runs import group_of, write_run

HEADER = "start,end,count,split,loss,accuracy\n"


def table_of(folder):
    group = group_of(folder)
    return window_table(group.runs, group.epochs)


def test_windows_files_and_growing_averages_are_one_table(tmp_path):
    run = write_run(tmp_path / "s" / "a", start=2, running=True)
    write_run(tmp_path / "s" / "b", start=1)
    (run / "windows.csv").write_text(
        HEADER + "1,3,2,test,0.5,0.75\n1,4,3,test,0.5,0.76\n1,3,2,validation,0.6,0.7\n"
    )
    group = group_of(tmp_path / "s")
    table, problems = window_table(group.runs, group.epochs)
    assert problems == []
    mean = group.runs.set_index("run").loc["a", "average_test_accuracy"]
    # synthetic_runs: the running average loses 0.01 per missing epoch.
    assert growing(table, "svhn-0.05-0", "uniform", 2) == pytest.approx(
        {2: mean - 0.03, 3: mean - 0.02, 4: mean - 0.01, 5: mean}
    )
    assert growing(table, "svhn-0.05-0", "uniform", 1) == pytest.approx(
        {2: 0.75, 3: 0.76, 5: group.runs.set_index("run").loc["b", "average_test_accuracy"]}
    )
    assert growing(table, "svhn-0.05-0", "uniform", 1, "validation")[2] == 0.7
    assert growing(table, "svhn-0.05-0", "uniform", 1, "validation", "loss")[2] == 0.6
    # and its loss gains 0.01 per missing epoch
    assert growing(table, "svhn-0.05-0", "uniform", 2, "validation", "loss") == pytest.approx(
        {2: 0.53, 3: 0.52, 4: 0.51, 5: 0.5}
    )


def test_a_loss_that_is_no_number_is_no_score(tmp_path):
    run = write_run(tmp_path / "s" / "a")
    (run / "windows.csv").write_text(HEADER + "0,2,2,test,nan,0.1\n0,3,3,test,0.5,0.7\n")
    table, _ = table_of(tmp_path / "s")
    named = (table, "svhn-0.05-0", "uniform", 0, "test")
    assert growing(*named) == {1: 0.1, 2: 0.7}
    assert growing(*named, "loss") == {2: 0.5}


def test_windows_are_told_apart_by_what_was_done_with_batch_norm(tmp_path):
    """One trajectory, averaged in three ways."""
    methods = {
        "uniform": 0.7,
        "power, gamma 2.0, refreshed on 1,000 images": 0.6,
        "uniform, every 2 epochs, batch norm averaged": 0.5,
    }
    for name, (method, accuracy) in zip("abc", methods.items(), strict=True):
        run = write_run(tmp_path / "s" / name, scheme=method)
        (run / "windows.csv").write_text(HEADER + f"0,3,3,test,0.5,{accuracy}\n")
    table, _ = table_of(tmp_path / "s")
    found = table[table["start"] == 0].set_index("scheme")["accuracy"].to_dict()
    assert found == {
        "uniform": 0.7,
        "uniform, refreshed on 1,000 images": 0.6,
        "uniform, batch norm averaged": 0.5,
    }


def test_a_window_of_one_trajectory_counts_once(tmp_path):
    for name in ("a", "b"):
        run = write_run(tmp_path / "s" / name, start=1 if name == "a" else 3)
        (run / "windows.csv").write_text(HEADER + "0,3,3,test,0.5,0.75\n")
    table, _ = table_of(tmp_path / "s")
    assert len(table[table["start"] == 0]) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("", "start,end\n1,2\n", HEADER + "a,b,c,test,1,1\n", HEADER + "0,2,2,test,0.5,inf\n"),
        *(HEADER + "0,2,2,te\n", HEADER + "0,3,2,test,0.5,0.7\n", HEADER + "-1,1,2,test,1,1\n"),
        *(HEADER + f"0,{'9' * 400},2,test,1,1\n", HEADER + "0,1,1," + "t" * 140_000 + ",1,1\n"),
    ],
)
def test_a_corrupted_windows_file_is_noted_and_left_out(tmp_path, text):
    run = write_run(tmp_path / "s" / "a")
    (run / "windows.csv").write_text(text)
    table, problems = table_of(tmp_path / "s")
    assert len(table) == 2  # the run's own, on validation and test
    assert str(run) in problems[0]


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    run = write_run(tmp_path / "s" / "a")
    (run / "windows.csv").write_text(HEADER + "0,3,3,test,0.5,0.7\n0,2,2,te")
    table, problems = table_of(tmp_path / "s")
    assert table[table["start"] == 0]["end"].tolist() == [3]
    assert problems == []
