"""Intervals against published numbers, slow references and simulations."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.intervals import BOOTSTRAP_FROM, bootstrap_interval, t_interval
from analysis.statistics.minimum_detectable_effect import (
    minimum_detectable_effect_over_images,
    minimum_detectable_effect_over_seeds,
)
from analysis.statistics.significance import t_test
from tests.analysis.statistics.conftest import random


@pytest.mark.parametrize(
    ("n", "level", "critical"),  # a printed table of t
    [(2, 0.95, 12.706), (3, 0.95, 4.303), (5, 0.95, 2.776), (10, 0.95, 2.262), (6, 0.99, 4.032)],
)
def test_t_interval_has_the_tables_width(n, level, critical):
    values = random(n).normal(0.01, 0.003, n)
    mean = sum(values) / n
    sd = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    found = t_interval(values.tolist(), level)
    assert (found.n, found.mean, found.sd) == (n, pytest.approx(mean), pytest.approx(sd))
    half = critical * sd / math.sqrt(n)
    assert found.low == pytest.approx(mean - half, abs=2e-4 * half)
    assert found.high == pytest.approx(mean + half, abs=2e-4 * half)


def test_t_interval_of_students_sleep_data():
    """Student 1908: differences of two soporifics; R's t.test says 0.70 to 2.46, p 0.002833."""
    hours = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    found = t_interval(hours)
    assert found.mean == pytest.approx(1.58)
    assert found.low == pytest.approx(0.7001142, abs=1e-7)
    assert found.high == pytest.approx(2.4598858, abs=1e-7)
    assert t_test(hours) == pytest.approx(0.002833, abs=5e-7)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_t_test_and_t_interval_agree(n):
    for seed in range(20):
        values = random(seed).normal(0.002, 0.003, n)
        p = t_test(values)
        touching = t_interval(values, 1 - p)  # the interval at p's own level ends at 0
        assert min(abs(touching.low), abs(touching.high)) < 1e-9


@pytest.mark.parametrize("n", [2, 3, 10])
def test_t_interval_covers_95_of_100(n):
    mean = 0.01
    found = [t_interval(row) for row in random().normal(mean, 0.003, (2000, n))]
    covered = np.mean([one.low <= mean <= one.high for one in found])
    assert covered == pytest.approx(0.95, abs=0.0195)  # 4 standard errors


def test_one_value_has_no_spread_and_no_interval():
    found = t_interval([0.02])
    assert (found.n, found.mean) == (1, 0.02)
    assert found.sd is found.low is found.high is None
    assert t_test([0.02]) is None
    assert t_test([]) is None


@pytest.mark.parametrize(
    "values",
    [
        [0.1, 0.1, 0.1],
        [0.0] * 12,
        [0.9 - 0.8, 0.4 - 0.3, 0.1] * 4,  # the same gain, rounded three ways
    ],
)
def test_identical_values_prove_nothing(values):
    found = t_interval(values)
    assert found.mean == pytest.approx(values[0])
    assert found.sd == 0
    assert found.low is None
    assert found.high is None
    assert t_test(values) is None
    assert bootstrap_interval(values) is None


def test_values_one_image_of_a_million_apart_are_not_identical():
    found = t_interval([0.9, 0.9, 0.900001])
    assert found.low < found.mean < found.high
    assert t_test([0.9, 0.9, 0.900001]) is not None


@pytest.mark.parametrize("function", [t_interval, t_test, bootstrap_interval])
@pytest.mark.parametrize("wrong", [[math.nan], [0.1, math.inf], [0.1] * 11 + [math.nan], [[0.1]]])
def test_refuses_values_that_are_not_finite(function, wrong):
    with pytest.raises(ValueError, match="finite"):
        function(wrong)


def test_refuses_an_interval_of_no_values():
    with pytest.raises(ValueError, match="at least one"):
        t_interval([])


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.5, math.nan])
def test_refuses_invalid_levels(level):
    for function in (
        lambda: t_interval([1.0, 2.0], level),
        lambda: bootstrap_interval(list(range(12)), level),
        lambda: minimum_detectable_effect_over_seeds(1.0, 3, level),
        lambda: minimum_detectable_effect_over_images(0.1, 1000, level),
    ):
        with pytest.raises(ValueError, match="level"):
            function()


def percentiles(data):
    """Low and high [sets] of 95 % percentile bootstraps of the mean of data [sets, n]."""
    found = stats.bootstrap(
        (data,), np.mean, axis=-1, method="percentile", n_resamples=1999, random_state=7, batch=100
    )
    return found.confidence_interval


def coverage(interval, truth):
    low, high = interval
    return np.mean((low <= truth) & (truth <= high))


def test_a_percentile_bootstrap_of_three_covers_75_of_100_where_it_says_95():
    data = random().normal(size=(2500, 3))
    low, high = percentiles(data)
    np.testing.assert_allclose(low, data.min(1))  # 1/27 of the resamples are thrice the smallest
    np.testing.assert_allclose(high, data.max(1))
    assert coverage((low, high), 0) == pytest.approx(0.75, abs=0.035)


@pytest.mark.parametrize(
    ("draw", "truth", "wanted"), [("normal", 0, 0.90), ("exponential", 1, 0.875)]
)
def test_the_bootstrap_interval_of_ten_covers_what_its_docstring_says(draw, truth, wanted):
    data = getattr(random(3), draw)(size=(200, 10))
    found = np.array([bootstrap_interval(row) for row in data])
    assert coverage(found.T, truth) == pytest.approx(wanted, abs=0.085)  # 4 standard errors


def naive_bca(values, level, resamples, generator):
    """Efron and Tibshirani 1993, An Introduction to the Bootstrap, equations 14.9 to 14.15."""
    n, normal = len(values), stats.norm
    means = np.sort([generator.choice(values, n).mean() for _ in range(resamples)])
    bias = normal.ppf(np.mean(means < values.mean()))
    jackknife = np.array([np.delete(values, i).mean() for i in range(n)])
    spread = jackknife.mean() - jackknife
    acceleration = (spread**3).sum() / (6 * (spread**2).sum() ** 1.5)
    ends = []
    for z in normal.ppf([(1 - level) / 2, (1 + level) / 2]):
        share = normal.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        ends.append(np.quantile(means, share))
    return ends


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_bootstrap_interval_is_efrons(level):
    values = random(5).exponential(size=14)
    wanted = naive_bca(values, level, 10_000, random(6))
    assert bootstrap_interval(values, level) == pytest.approx(wanted, abs=0.05 * values.std())


def test_bootstrap_interval_needs_ten_values():
    values = random().normal(size=BOOTSTRAP_FROM).tolist()
    assert BOOTSTRAP_FROM == 10
    assert bootstrap_interval([]) is None
    assert bootstrap_interval(values[:-1]) is None
    low, high = bootstrap_interval(values)
    assert min(values) < low < np.mean(values) < high < max(values)


def test_bootstrap_interval_repeats_and_its_seed_counts():
    values = random().normal(size=12)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values) != bootstrap_interval(values, seed=1)


@pytest.mark.parametrize("values", [[0.0] * 9 + [1.0], [0.0] * 5 + [1.0] * 5])
def test_bootstrap_interval_is_finite_where_most_values_are_equal(values):
    low, high = bootstrap_interval(values)
    assert 0 <= low <= np.mean(values) <= high <= 1
    assert low < high
