"""Scores and differences for a person, by the metric."""

import math

import pytest

from analysis.units import amount, axis_label, bare, column, explained, gain_column, gain_of, score
from polyak.evaluation.metric import ACCURACY, CALIBRATION_ERROR, LOSS, Metric

F1, PERPLEXITY = Metric("macro_f1", higher=True), Metric("perplexity", higher=False)


@pytest.mark.parametrize(
    ("metric", "scored", "changed"),
    [
        (ACCURACY, "57.00 %", "+0.27 points"),
        (CALIBRATION_ERROR, "57.00 %", "+0.27 points"),
        (LOSS, "0.5700 nats", "+0.0027 nats"),
        (F1, "0.5700", "+0.002700 of macro f1"),
    ],
)
def test_each_metric_has_its_unit_and_digits(metric, scored, changed):
    assert score(0.57, metric) == scored
    assert amount(0.0027, metric) == changed
    assert amount(0.0027, metric, signed=False) == changed[1:]


def test_other_metrics_have_four_digits_whatever_their_size():
    shown = [score(value, PERPLEXITY) for value in (12.3456, 1234.5678, 0.0, 12345678.0)]
    assert shown == ["12.35", "1235", "0.000", "1.235e+07"]


@pytest.mark.parametrize("metric", [ACCURACY, LOSS, F1])
def test_what_rounding_leaves_is_no_negative_zero(metric):
    assert amount(-1e-17, metric).startswith("+0.0")
    assert bare(math.nan, metric) == ""


def test_labels_say_what_is_better_where_a_reader_may_not_know():
    assert axis_label(ACCURACY, "test") == "test accuracy (%)"
    assert axis_label(LOSS, "validation") == "validation loss (nats)"
    assert axis_label(PERPLEXITY, "test") == "test perplexity (lower is better)"
    assert column(ACCURACY, "test") == "test, %"
    assert column(F1, "test") == "test"
    assert gain_column(LOSS, "gain") == "gain, nats"
    assert gain_of(ACCURACY) == "points of test accuracy"
    assert gain_of(F1) == "test macro f1"
    assert explained([ACCURACY, PERPLEXITY, ACCURACY]) == (
        "Accuracies in %, differences in points (hundredths); perplexity: lower is better"
    )
