"""The line and the plane, from the files beside the runs."""

import re

import pytest

from analysis.read.path_table import path_table
from polyak.errors import PolyakError

HEADER = "which,name,x,y,x_fraction,y_fraction,split,loss,accuracy\n"
ROW = "line,average,0.0,0.0,0.0,0.0,test,0.5,0.9\n"


def test_the_path_is_read_where_it_is(tmp_path):
    assert path_table(tmp_path) is None
    (tmp_path / "path.csv").write_text(HEADER + ROW + "plane,,2.0,0.0,1.5,0.0,test,nan,0.1\n")
    table = path_table(tmp_path)
    assert table["name"].tolist() == ["average", ""]
    assert table["x_fraction"].tolist() == [0, 1.5]
    assert table["loss"].isna().tolist() == [False, True]  # far out, a loss may overflow


@pytest.mark.parametrize(
    "text",
    [
        "nothing\n",
        HEADER,
        HEADER + ROW + ROW,
        HEADER + ROW.replace("line", "curve"),
        HEADER + ROW.replace("0.9", "high"),
        HEADER + ROW.replace("0.9", "inf"),
        HEADER + ROW.replace("line,average", "plane,"),
        HEADER + ROW + "line,,1.0,0.0,1.0",
    ],
)
def test_a_corrupted_path_is_named(tmp_path, text):
    (tmp_path / "path.csv").write_text(text)
    with pytest.raises(PolyakError, match=re.escape("path.csv")):
        path_table(tmp_path)
