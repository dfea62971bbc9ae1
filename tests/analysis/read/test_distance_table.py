"""Distances, from the files beside the runs."""

import re

import pytest

from analysis.read.distance_table import distance_table
from polyak.errors import PolyakError

DISTANCES = "first,second,distance,cosine,displacement_cosine\n"


def test_distances_are_read_where_they_are(tmp_path):
    assert distance_table(tmp_path) is None
    (tmp_path / "distances.csv").write_text(DISTANCES + "0,1,2.5,0.9,0.1\n0,average,1.5,0.9,\n")
    table = distance_table(tmp_path)
    assert table["distance"].tolist() == [2.5, 1.5]
    assert table["second"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        "nothing\n",
        DISTANCES,
        DISTANCES + "0,1,far,0.9,0.1\n0,average,1,1,\n",
        DISTANCES + "a,1,2,0.9,0.1\n0,average,1,1,\n",
        DISTANCES + "0,1,2,0.9,0.1\n0,1,2,0.9,0.1\n0,average,1,1,\n",
        DISTANCES + "0,1,2,0.9,0.1\n1,0,2,0.9,0.1\n0,average,1,1,\n",
    ],
)
def test_corrupted_distances_are_named(tmp_path, text):
    (tmp_path / "distances.csv").write_text(text)
    with pytest.raises(PolyakError, match=re.escape("distances.csv")):
        distance_table(tmp_path)
