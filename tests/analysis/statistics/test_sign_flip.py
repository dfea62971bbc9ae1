"""Against every sign written out, scipy and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.sign_flip import (
    EXACT_TO,
    all_signs,
    random_signs,
    sign_flip_test,
    smallest_p,
)
from tests.analysis.statistics.conftest import random


def naive(values):
    """Every sign, one after the other, in whole numbers of images."""
    observed = abs(sum(values))
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, values, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(values))
    ]
    return sum(one >= observed for one in sums) / len(sums)


@pytest.mark.parametrize("n", range(1, 10))
def test_it_is_the_share_of_all_signs_ties_included(n):
    for seed in range(20):
        images = random(seed).integers(-4, 9, n)  # few values: ties everywhere, and zeros
        found = sign_flip_test((images / 26_032).tolist())
        assert found == pytest.approx(naive(images.tolist()))
        assert found >= smallest_p(n)


def test_it_is_scipys():
    for seed in range(10):
        values = random(seed).normal(0.5, 1, 8)
        wanted = stats.permutation_test(
            (values,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        assert sign_flip_test(values) == pytest.approx(wanted.pvalue)


def test_gains_that_are_rounded_differences_of_accuracies_tie_as_whole_images_do():
    generator = random(1)
    for _ in range(50):
        images, last = generator.integers(-4, 9, 8), generator.integers(1600, 1800, 8)
        gains = (last + images) / 2000 - last / 2000
        assert sign_flip_test(gains) == pytest.approx(naive(images.tolist()))


def test_it_neither_knows_the_sign_nor_the_order_nor_the_unit():
    values = random().normal(0.004, 0.005, 9)
    p = sign_flip_test(values)
    assert sign_flip_test(-values) == p
    assert sign_flip_test(values[::-1]) == p
    assert sign_flip_test(1000 * values) == p


@pytest.mark.parametrize(("n", "p"), [(1, 1), (2, 0.5), (3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_values_of_one_sign_have_the_smallest_p(n, p):
    assert smallest_p(n) == p
    assert sign_flip_test(random().uniform(0.01, 0.02, n)) == p
    assert sign_flip_test([0.01] * n) == p


def test_values_without_a_difference_have_p_1():
    assert sign_flip_test([0.0] * 7) == 1
    assert sign_flip_test([0.3 - 0.2 - 0.1] * 7) == 1  # 2.8e-17
    assert sign_flip_test([0.01, -0.01]) == 1
    assert sign_flip_test([0.0] * 30) == 1


def test_twenty_values_are_enumerated():
    images = random(1).integers(-2, 5, EXACT_TO)
    ways = {0: 1}  # how many signs give each sum
    for image in images.tolist():
        step = {}
        for total, count in ways.items():
            for one in (total + image, total - image):
                step[one] = step.get(one, 0) + count
        ways = step
    observed = abs(int(images.sum()))
    wanted = sum(count for total, count in ways.items() if abs(total) >= observed) / 2**EXACT_TO
    assert sign_flip_test(images / 10_000) == wanted


def sign_sums(values):
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def test_beyond_it_draws_and_counts_what_was_observed():
    values = random(2).normal(0.25, 1, EXACT_TO + 1)
    wanted = np.mean(np.abs(sign_sums(values)) >= abs(values.sum()))
    found = sign_flip_test(values, draws=20_000)
    assert found == pytest.approx(wanted, abs=4 * math.sqrt(wanted / 20_000))
    assert found == sign_flip_test(values, draws=20_000)
    assert found != sign_flip_test(values, draws=20_000, seed=1)
    assert sign_flip_test([1.0] * 60, draws=99) == smallest_p(60, draws=99) == 0.01


def test_all_signs_are_each_choice_once_but_for_the_mirrored():
    signs = all_signs(5)
    rows = {tuple(row) for row in signs}
    assert len(rows) == len(signs) == 16
    assert (signs[:, 0] == 1).all()
    assert (signs[0] == 1).all()
    assert set(np.unique(signs)) == {-1, 1}
    assert rows | {tuple(-np.array(row)) for row in rows} == set(
        itertools.product((-1.0, 1.0), repeat=5)
    )
    assert set(np.unique(random_signs(3, 50, 0))) == {-1, 1}


@pytest.mark.parametrize("n", [6, 9])
def test_the_level_is_held_without_normality(n):
    values = random(4).standard_t(2, (2000, n))  # symmetric, without a variance
    rejected = np.mean([sign_flip_test(row) <= 0.05 for row in values])
    level = math.floor(0.05 * 2 ** (n - 1)) / 2 ** (n - 1)
    assert rejected == pytest.approx(level, abs=4 * math.sqrt(level / 2000))


def test_refuses_no_values_and_what_is_not_finite():
    with pytest.raises(ValueError, match="at least one value, not 0"):
        sign_flip_test([])
    with pytest.raises(ValueError, match="at least one value, not -1"):
        smallest_p(-1)
    with pytest.raises(ValueError, match="finite"):
        sign_flip_test([0.1, math.nan])
    with pytest.raises(ValueError, match="at least one, not 0"):
        sign_flip_test([0.1], draws=0)
