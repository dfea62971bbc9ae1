"""Tables for others open in a spreadsheet as text and numbers, and nothing else."""

import csv

import pandas as pd
import pytest

from analysis.report import exports

FORMULAS = [
    *('=HYPERLINK("http://x","y")', "@SUM(1)", "+1+cmd|' /C calc'!A0", "-1-1", "\tx", "\rx", "\nx"),
    *("\uff1d1+1", "-", "=1"),
]


def written(table, path):
    exports._write(path, table)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("cell", FORMULAS)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(tmp_path, cell):
    rows = written(pd.DataFrame({"run": ["a", cell], cell: [1, 2]}), tmp_path / "runs.csv")
    shown = "'" + cell.replace("\r", "\\r")
    assert rows == [["run", shown], ["a", "1"], [shown, "2"]]


def test_a_carriage_return_begins_no_row(tmp_path):
    rows = written(pd.DataFrame({"run": ["a\r=1+1", "1\r", "a\n=1"]}), tmp_path / "runs.csv")
    assert rows == [["run"], ["a\\r=1+1"], ["1\\r"], ["a\n=1"]]
    assert b"\r" not in (tmp_path / "runs.csv").read_bytes()


def test_all_else_is_written_as_ever(tmp_path):
    table = pd.DataFrame(
        {
            "float": [-0.1, float("nan"), 1e-300],
            "whole": pd.array([-1, None, 3], dtype="Int64"),
            "mixed": [-1, None, "a-b"],
            "numbers": ["-1", "+1e-3", "-inf"],
            "flag": [True, False, True],
            "text": ["=1"[1:], "x=1", "'=1"],
        }
    )
    exports._write(tmp_path / "runs.csv", table)
    table.to_csv(tmp_path / "plain.csv", index=False)
    assert (tmp_path / "runs.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()
    exports._write(tmp_path / "empty.csv", table[:0])
    assert (tmp_path / "empty.csv").read_text().startswith("float,whole")
