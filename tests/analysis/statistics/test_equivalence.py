"""Against published numbers, the tests written out and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.equivalence import conclusion, equivalence
from analysis.statistics.intervals import t_interval
from analysis.statistics.minimum_detectable_effect import minimum_detectable_effect_over_seeds
from tests.analysis.statistics.conftest import random


@pytest.mark.parametrize("n", [2, 3, 6, 10])
def test_it_is_two_one_sided_t_tests(n):
    for seed in range(20):
        values = random(seed).normal(0.001, 0.003, n)
        error = math.sqrt(sum((value - values.mean()) ** 2 for value in values) / (n - 1) / n)
        above = stats.t.sf((values.mean() + 0.004) / error, n - 1)
        below = stats.t.cdf((values.mean() - 0.004) / error, n - 1)
        found = equivalence(values, 0.004)
        assert found.p == pytest.approx(max(above, below))
        inside = found.low >= -0.004 and found.high <= 0.004
        assert inside == (found.p <= 0.05)


def test_of_students_sleep_data():
    """Student 1908, in tens of hours: mean 0.158, standard error 0.0389; t 1.833 of 9 degrees."""
    found = equivalence([h / 10 for h in (1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4)], 0.3)
    assert (found.low, found.high) == pytest.approx((0.0867, 0.2293), abs=5e-5)
    assert found.p == pytest.approx(stats.t.cdf((0.158 - 0.3) / 0.0388959, 9), rel=1e-4)


TINY = (np.arange(12) - 5.5) / 1e5  # mean 0, sd 3.6e-5


@pytest.mark.parametrize(
    ("values", "kind", "within"),
    [
        ([0.012, 0.015, 0.011], "better", False),
        ([-0.012, -0.015, -0.011], "worse", False),
        (TINY, "equivalent", True),
        (TINY + 1e-3, "better", True),
        (TINY - 1e-3, "worse", True),
        ([0.02, -0.01, 0.01], "undecided", False),
    ],
)
def test_each_conclusion(values, kind, within):
    found = conclusion(values, 0.005)
    assert (found.kind, found.within_margin, found.reason) == (kind, within, None)
    assert found.interval == t_interval(values)
    assert found.equivalence == equivalence(values, 0.005)
    assert found.detectable == minimum_detectable_effect_over_seeds(
        found.interval.sd, found.interval.n
    )


def test_each_conclusion_follows_from_the_two_intervals():
    seen = set()
    for seed in range(200):
        generator = random(seed)
        n, level = int(generator.integers(2, 12)), float(generator.choice([0.8, 0.95, 0.99]))
        values = generator.normal(generator.normal(0, 0.004), 0.002, n)
        found = conclusion(values, 0.004, level)
        wide, narrow = t_interval(values, level), t_interval(values, 2 * level - 1)
        assert found.within_margin == (narrow.low >= -0.004 and narrow.high <= 0.004)
        if wide.low > 0:
            assert found.kind == "better"
        elif wide.high < 0:
            assert found.kind == "worse"
        else:
            assert found.kind == ("equivalent" if found.within_margin else "undecided")
        mirrored = conclusion(-values, 0.004, level)
        opposite = {"better": "worse", "worse": "better"}
        assert mirrored.kind == opposite.get(found.kind, found.kind)
        seen.add((found.kind, found.within_margin))
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.3], "one value"),
        ([0.0], "one value"),
        ([0.01, 0.01], "identical values"),
        ([0.9 - 0.8, 0.4 - 0.3, 0.1], "identical values"),
        ([0.0] * 12, "identical values"),
    ],
)
def test_without_a_spread_nothing_is_concluded(values, reason):
    found = conclusion(values, 0.005)
    assert (found.kind, found.within_margin, found.reason) == ("undecided", False, reason)
    assert found.interval.mean == pytest.approx(values[0])
    assert found.equivalence is found.detectable is None
    assert equivalence(values, 0.005) is None


@pytest.mark.parametrize("margin", [0, -0.01, 1.5, math.nan, math.inf])
def test_refuses_an_invalid_margin(margin):
    for function in (equivalence, conclusion):
        with pytest.raises(ValueError, match="margin is in"):
            function([0.1, 0.2], margin)


def test_refuses_invalid_levels_and_values():
    for function in (equivalence, conclusion):
        for level in (0, 1, 95, math.nan, 0.5):
            with pytest.raises(ValueError, match="level"):
                function([0.1, 0.2], 0.01, level)
        with pytest.raises(ValueError, match="finite"):
            function([0.1, math.nan], 0.01)
    with pytest.raises(ValueError, match="at least one"):
        conclusion([], 0.01)


def test_equivalence_at_the_margin_is_found_as_often_as_the_level_says():
    margin = 0.01
    values = random(1).normal(margin, 0.002, (800, 6))
    false = np.mean([equivalence(row, margin).p <= 0.05 for row in values])
    assert false == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 800))


def test_a_difference_where_there_is_none_is_found_as_often_as_the_level_says():
    values = random(2).normal(0, 0.01, (500, 3))
    kinds = [conclusion(row, 0.01).kind for row in values]
    for kind in ("better", "worse"):
        share = kinds.count(kind) / len(kinds)
        assert share == pytest.approx(0.025, abs=4 * math.sqrt(0.025 / 500))
