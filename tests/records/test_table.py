"""Tables are read as they were written, grow, and name the cell that doesn't fit."""

import math

import pytest

from polyak.errors import PolyakError
from polyak.records import distances, metrics, path, windows
from polyak.weights import distances as written

ROWS = [
    windows.Row(0, 2, 2, "test", 0.1 + 0.2, 1 / 3),
    windows.Row(0, 2, 2, "validation", math.inf, 1.0),
]


def grown(place, rows=ROWS):
    assert windows.TABLE.grow(place, rows[:1], [rows[1:]]) == list(rows)
    return place


def test_rows_come_back_bit_for_bit_and_a_cut_line_is_left_out(tmp_path):
    place = grown(tmp_path / "windows.csv")
    assert place.read_text() == (
        "start,end,count,split,loss,accuracy\n0,2,2,test,0.30000000000000004,0.3333333333333333\n"
        "0,2,2,validation,inf,1.0\n"
    )
    with place.open("a") as file:
        file.write("0,3,3,te")
    assert windows.TABLE.read(place) == ROWS
    grown(place, windows.TABLE.read(place))
    assert windows.TABLE.read(place) == ROWS


def test_no_file_has_no_rows(tmp_path):
    assert windows.TABLE.read(tmp_path / "windows.csv") == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0,2,2,test,0.5", "5 cells, for 6 columns"),
        ("0,2,2,test,0.5,0.7,9", "7 cells, for 6 columns"),
        ("", "0 cells, for 6 columns"),
        ("0,-3,2,test,0.5,0.7", "end = '-3'"),
        (f"0,{'9' * 400},2,test,0.5,0.7", "end = '9999"),
        ("0,2,1,test,0.5,0.7", r"\(0, 2, 1\) don't go together"),
        ("2,2,0,test,0.5,0.7", "count = '0'"),
        ("0,2,2,nowhere,0.5,0.7", "split = 'nowhere'"),
        ("0,2,2,test,-1,0.7", "loss = '-1'"),
        ("0,2,2,test,0.5,inf", "accuracy = 'inf'"),
        ("0,2,2,test,0.5,nan", "accuracy = 'nan'"),
        ("0,2,2,test,0.5,97.0", "accuracy = '97.0'"),
        ("0,2,2,test,0.5,", "accuracy = ''"),
        ("0,2,2,\x1b[31m,0.5,0.7", r"split = '\\x1b"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(tmp_path, line, said):
    place = grown(tmp_path / "windows.csv")
    with place.open("a") as file:
        file.write(f"{line}\n0,3,3,test,0.5,0.7\n")
    with pytest.raises(PolyakError, match=rf"windows\.csv: line 4 is damaged: {said}") as error:
        windows.TABLE.read(place)
    assert "repeat python -m polyak windows" in str(error.value)


@pytest.mark.parametrize("text", ["", "start,end\n", "a\n", "\x00\n", "t" * 140_000 + "\n"])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "windows.csv").write_text(text)
    with pytest.raises(PolyakError, match=r"windows\.csv: "):
        windows.TABLE.read(tmp_path / "windows.csv")


def test_a_cell_longer_than_the_csv_module_takes_is_refused(tmp_path):
    place = grown(tmp_path / "windows.csv")
    with place.open("a") as file:
        file.write(f"0,2,2,{'t' * 140_000},1,1\n")
    with pytest.raises(PolyakError, match=r"windows\.csv: can't be read \(field larger"):
        windows.TABLE.read(place)


def test_distances_are_read_as_they_are_written(tmp_path):
    rows = [written.Row(0, 1, 2.5, 0.5, None), written.Row(0, "average", 0.0, None, None)]
    written.write(tmp_path / "distances.csv", rows)
    found = distances.TABLE.read(tmp_path / "distances.csv")
    assert [vars(row) for row in found] == [vars(row) for row in rows]


def test_a_point_is_of_the_line_or_the_plane(tmp_path):
    row = path.Row("line", "average", 0.0, 0.0, 0.0, 0.0, "test", math.nan, 0.5)
    path.TABLE.grow(tmp_path / "path.csv", [], [[row]])
    (found,) = path.TABLE.read(tmp_path / "path.csv")
    assert found.key == ("line", "average", None, None)
    text = (tmp_path / "path.csv").read_text()
    for wrong in (text.replace("average", "mine"), text.replace("0.0,test", "inf,test")):
        (tmp_path / "path.csv").write_text(wrong)
        with pytest.raises(PolyakError, match="line 2 is damaged"):
            path.TABLE.read(tmp_path / "path.csv")


HEADER = ",".join([*metrics.COLUMNS, "more"])


def line(epoch, accuracy=0.5):
    cells = dict.fromkeys(metrics.COLUMNS, "") | {"epoch": epoch, "test_accuracy": accuracy}
    return ",".join([*map(str, cells.values()), "another column"])


@pytest.mark.parametrize(
    ("lines", "epochs", "problem"),
    [
        ([line(0), line(1)], [0, 1], ""),
        ([line(0), line("x"), line(2)], [0, 2], "left out: 1 row, of damaged epoch"),
        ([line(-1), line(2)], [2], "left out: 1 row, of damaged epoch"),
        (
            [line(0, "inf"), line(1, 97.0), line(2)],
            [2],
            "left out: 2 rows, of damaged test_accuracy",
        ),
        ([line(0), "1,0.05", line(2)], [0, 2], "left out: 1 row, cut or there twice"),
        ([line(0), line(1), line(0, 0.6)], [0, 1], "left out: 1 row, cut or there twice"),
        ([line("9" * 400)], [], "left out: 1 row, of damaged epoch"),
    ],
)
def test_the_intact_rows_of_metrics_are_read(tmp_path, lines, epochs, problem):
    (tmp_path / "metrics.csv").write_text("\n".join([HEADER, *lines, ""]))
    found = metrics.read(tmp_path / "metrics.csv")
    assert found.columns["epoch"] == epochs
    assert found.problem == problem
    assert found.columns["test_accuracy"] == [0.5] * len(epochs)
    assert all(map(math.isnan, found.columns["val_loss"]))
