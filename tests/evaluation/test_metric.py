"""Names and directions of metrics."""

import pytest

from polyak.errors import PolyakError
from polyak.evaluation.metric import ACCURACY, CALIBRATION_ERROR, LOSS, Metric
from polyak.records.part import METRIC_NAME


def test_more_is_better_or_less():
    signs = [one.sign for one in (ACCURACY, LOSS, CALIBRATION_ERROR, Metric("f1", higher=True))]
    assert signs == [1, -1, -1, 1]
    assert Metric("accuracy", higher=True) == ACCURACY


@pytest.mark.parametrize("name", ["", "F1", "top-1", "a b", "x" * 41, "f1\n"])
def test_other_names_are_refused(name):
    with pytest.raises(PolyakError, match="allowed: up to 40 lower-case letters, digits and _"):
        Metric(name, higher=True)
    assert "40" in METRIC_NAME


@pytest.mark.parametrize(("name", "higher"), [("accuracy", False), ("loss", True)])
def test_a_known_metric_has_its_own_direction(name, higher):
    with pytest.raises(PolyakError, match="allowed: the other"):
        Metric(name, higher)
