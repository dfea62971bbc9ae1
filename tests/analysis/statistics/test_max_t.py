"""Against the procedure written out with t statistics, Holm and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.max_t import EXACT_TO, max_t
from analysis.statistics.sign_flip import sign_flip_test, smallest_p
from analysis.statistics.significance import holm
from tests.analysis.statistics.conftest import random


def naive(values):
    """Romano and Wolf 2005: reject the largest |t| by the largest of those left, and again."""
    n = values.shape[1]

    def t(rows):
        return np.abs(rows.mean(1)) / (rows.std(1, ddof=1) / math.sqrt(n))

    observed = t(values)
    flipped = [t(values * np.array(signs)) for signs in itertools.product((-1, 1), repeat=n)]
    left, adjusted, largest = list(range(len(values))), {}, 0.0
    while left:
        best = max(left, key=lambda index: observed[index])
        as_large = [one[left].max() >= observed[best] * (1 - 1e-9) for one in flipped]
        largest = max(largest, np.mean(as_large))
        adjusted[best] = largest
        left.remove(best)
    return [adjusted[index] for index in range(len(values))]


def correlated(generator, candidates, seeds, common=0.8):
    shared = generator.normal(size=seeds) * math.sqrt(common)
    return shared + generator.normal(size=(candidates, seeds)) * math.sqrt(1 - common)


@pytest.mark.parametrize(("candidates", "seeds"), [(1, 3), (2, 2), (4, 5), (7, 6)])
def test_it_is_the_step_down_procedure(candidates, seeds):
    for seed in range(8):
        generator = random(seed)
        values = correlated(generator, candidates, seeds)
        values += generator.normal(size=(candidates, 1))
        found = max_t(values)
        assert found.p == pytest.approx(naive(values))
        assert found.smallest == smallest_p(seeds)
        assert min(found.p) >= found.smallest


def test_one_candidate_is_the_sign_flip_test():
    for seed in range(20):
        images = random(seed).integers(-3, 6, 7) / 2000  # ties
        assert max_t([images]).p == [pytest.approx(sign_flip_test(images))]


def test_adjusted_p_are_no_smaller_than_each_by_itself_and_in_its_order():
    values = correlated(random(3), 12, 8) + 0.6
    found = np.array(max_t(values).p)
    alone = np.array([sign_flip_test(row) for row in values])
    assert (found >= alone - 1e-12).all()
    order = np.argsort(-np.abs(stats.ttest_1samp(values, 0, axis=1).statistic))
    assert (np.diff(found[order]) >= 0).all()


def test_correlated_candidates_lose_less_than_by_holm():
    values = correlated(random(4), 30, 10, common=0.95) + 1.5
    together = max_t(values).p
    apart = holm([sign_flip_test(row) for row in values])
    assert max(together) < 0.05 < min(apart)


def test_the_same_candidate_twice_costs_nothing():
    row = random(5).normal(0.8, 1, 8)
    once, twice = max_t([row]).p, max_t([row, row, -row, 3 * row]).p
    assert twice == [pytest.approx(once[0])] * 4


def test_order_and_unit_of_the_candidates_do_not_matter():
    values = correlated(random(6), 9, 7) + 0.5
    order = random(7).permutation(9)
    assert max_t(values[order]).p == np.array(max_t(values).p)[order].tolist()
    assert max_t(values * np.arange(1, 10)[:, None] / 1000).p == pytest.approx(max_t(values).p)


def test_few_seeds_can_reject_nothing_and_say_so():
    found = max_t(np.full((4, 3), 0.02))
    assert found.p == [0.25] * 4
    assert found.smallest == 0.25
    assert max_t([[0.1], [0.2]]).p == [1, 1]
    assert max_t([[0.1, 0.2]]).p == [0.5]


def test_candidates_without_a_difference_have_p_1_and_hide_nothing():
    rows = np.array([[0.0] * 6, [0.01] * 6, [0.3 - 0.2 - 0.1] * 6])
    assert max_t(rows).p == [1, 0.03125, 1]


def test_beyond_it_draws():
    n = EXACT_TO + 1
    values = correlated(random(8), 3, n) + 0.45
    exact = np.array(naive(values))
    found = max_t(values, draws=4000)
    assert found.p == pytest.approx(exact.tolist(), abs=4 * math.sqrt(0.25 / 4000))
    assert found == max_t(values, draws=4000)
    assert found != max_t(values, draws=4000, seed=1)
    assert max_t([[1.0] * 40], draws=99).p == [0.01]
    assert max_t([[1.0] * 40], draws=99).smallest == 0.01


@pytest.mark.parametrize("common", [0.0, 0.8])
def test_any_false_rejection_happens_as_often_as_the_level_says(common):
    generator = random(9)
    rejected = np.mean(
        [min(max_t(correlated(generator, 30, 8, common)).p) <= 0.05 for _ in range(1000)]
    )
    assert 0.05 / 2 < rejected < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 1000)


def test_the_others_keep_the_level_where_some_candidates_differ():
    generator = random(10)
    false = 0
    for _ in range(600):
        values = correlated(generator, 10, 8)
        values[:5] += 8
        found = max_t(values).p
        assert max(found[:5]) <= 0.05
        false += min(found[5:]) <= 0.05
    assert 0.05 / 2 < false / 600 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 600)


@pytest.mark.parametrize(
    "wrong", [[0.1, 0.2], [[0.1, math.nan]], [[math.inf]], [], [[]], np.zeros((2, 2, 2))]
)
def test_refuses_what_is_not_candidates_by_seeds(wrong):
    with pytest.raises(ValueError, match=r"\[candidates, seeds\]"):
        max_t(wrong)


def test_refuses_no_draws():
    with pytest.raises(ValueError, match="at least one, not 0"):
        max_t([[0.1]], draws=0)
