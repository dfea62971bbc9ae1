"""Against scipy, whole copies of values and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.interquartile_mean import interquartile_mean
from tests.analysis.statistics.conftest import random


def naive(groups):
    """Each value as often as gives every group the same number of values, a multiple of 4."""
    copies = 4 * math.lcm(*(len(group) for group in groups))
    values = sorted(v for group in groups for v in group for _ in range(copies // len(group)))
    quarter = len(values) // 4
    return sum(values[quarter:-quarter]) / (len(values) - 2 * quarter)


@pytest.mark.parametrize("sizes", [(1,), (3,), (4, 4), (3, 5), (3, 10, 6, 3), (2, 1, 7)])
def test_the_mean_is_of_the_middle_half_of_groups_of_one_weight(sizes):
    for seed in range(10):
        generator = random(seed)
        groups = [generator.normal(size=size).round(1).tolist() for size in sizes]  # with ties
        found = interquartile_mean(groups, resamples=10)
        assert found.mean == pytest.approx(naive(groups))
        assert found.groups == len(sizes)


def test_the_mean_is_scipys_where_groups_are_of_one_size():
    values = random().normal(size=(4, 6))
    wanted = stats.trim_mean(values, 0.25, axis=None)
    assert interquartile_mean(list(values)).mean == pytest.approx(wanted)


def naive_interval(groups, level, resamples, generator):
    means = []
    for _ in range(resamples):
        drawn = []
        for group in groups:
            mean, n = np.mean(group), len(group)
            stretch = math.sqrt(n / (n - 1))
            drawn.append([mean + stretch * (v - mean) for v in generator.choice(group, n)])
        means.append(naive(drawn))
    return np.quantile(means, [(1 - level) / 2, (1 + level) / 2])


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_interval_is_of_groups_resampled_one_by_one(level):
    generator = random(1)
    groups = [generator.exponential(size=size) for size in (4, 6, 4)]
    found = interquartile_mean(groups, level)
    wanted = naive_interval(groups, level, 4000, random(2))
    assert (found.low, found.high) == pytest.approx(wanted, abs=0.06 * (found.high - found.low))


def test_the_interval_repeats_and_its_seed_counts():
    groups = list(random(3).normal(size=(3, 5)))
    assert interquartile_mean(groups) == interquartile_mean(groups)
    assert interquartile_mean(groups).low != interquartile_mean(groups, seed=1).low


def test_one_far_group_moves_it_little():
    groups = [[0.01, 0.011, 0.012]] * 7
    far = interquartile_mean([*groups, [5.0, 6.0, 7.0]], resamples=500)
    assert far.mean == pytest.approx(0.011, abs=0.0005)
    assert far.high < 0.0125


@pytest.mark.parametrize(
    "groups", [[[0.1]], [[0.1, 0.2], [0.3]], [[0.1, 0.1], [0.2, 0.2]], [[0.3 - 0.2, 0.1]]]
)
def test_without_a_spread_there_is_no_interval(groups):
    found = interquartile_mean(groups)
    assert found.mean == pytest.approx(naive(groups))
    assert found.low is found.high is None


def test_a_group_of_identical_values_counts_and_adds_no_spread():
    found = interquartile_mean([[0.1] * 3, [0.0, 0.1, 0.3]], resamples=999)
    assert found.low <= found.mean <= found.high
    assert found.low < found.high


def test_refuses_no_groups_empty_groups_and_what_is_not_finite():
    for wrong, message in (
        ([], "in any"),
        ([[0.1], []], r"in \[1\]"),
        ([[0.1, math.nan]], "finite"),
        ([[[0.1]]], "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            interquartile_mean(wrong)
    with pytest.raises(ValueError, match="level"):
        interquartile_mean([[0.1, 0.2]], 95)
    with pytest.raises(ValueError, match="resample, not 0"):
        interquartile_mean([[0.1, 0.2]], resamples=0)


def test_its_interval_misses_less_than_twice_as_often_as_it_says():
    generator, missed = random(4), 0
    means = np.linspace(-1, 2, 12)
    standard = stats.norm.ppf((np.arange(500) + 0.5) / 500)
    truth = interquartile_mean([mean + standard for mean in means], resamples=1)
    for seed in range(300):
        values = means[:, None] + generator.normal(size=(12, 4))
        found = interquartile_mean(list(values), resamples=299, seed=seed)
        missed += not found.low <= truth.mean <= found.high
    assert 0.02 < missed / 300 < 0.1
