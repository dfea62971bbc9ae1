"""Tests against published numbers and slow references."""

import itertools
import math

import numpy as np
import pytest

from analysis.statistics.significance import holm, mcnemar
from tests.analysis.statistics.conftest import random


def test_holm_as_worked_out_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06] * 3)
    assert holm([0, 1]) == [0, 1]


def rejected(p_values, alpha):
    """Holm 1979 as he puts it: while the smallest p left is at most alpha by the tests left."""
    left = dict(enumerate(p_values))
    while left:
        smallest = min(left, key=left.__getitem__)
        if left[smallest] * len(left) > alpha:
            break
        del left[smallest]
    return set(range(len(p_values))) - set(left)


def test_holm_rejects_what_the_step_down_procedure_rejects():
    generator = random()
    for n, _ in itertools.product(range(1, 12), range(15)):
        p_values = (generator.random(n) ** 3).round(2).tolist()  # rounded: with ties
        adjusted = holm(p_values)
        for alpha in (0.01, 0.0503, 0.2, 0.7):
            assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected(p_values, alpha)
        assert all(p <= a <= min(1, n * p + 1e-15) for p, a in zip(p_values, adjusted, strict=True))
        order = np.argsort(p_values, kind="stable")
        assert (np.diff(np.array(adjusted)[order]) >= 0).all()


@pytest.mark.parametrize("wrong", [-0.01, 1.01, math.nan, math.inf])
def test_holm_refuses_an_invalid_p(wrong):
    with pytest.raises(ValueError, match="p values"):
        holm([0.5, wrong])


def outcomes(only_first, only_second, both=7, neither=4):
    first = [True] * (only_first + both) + [False] * (only_second + neither)
    second = [False] * only_first + [True] * (both + only_second) + [False] * neither
    order = random().permutation(len(first))
    return np.array(first)[order], np.array(second)[order]


def test_mcnemar_is_the_plain_sum_of_binomials():
    for only_first, only_second in itertools.product(range(13), repeat=2):
        n, few = only_first + only_second, min(only_first, only_second)
        wanted = min(1.0, 2 * sum(math.comb(n, k) for k in range(few + 1)) / 2**n)
        found = mcnemar(*outcomes(only_first, only_second))
        assert (found.only_first, found.only_second) == (only_first, only_second)
        assert found.p == pytest.approx(wanted, rel=1e-9)


def test_mcnemar_on_a_test_set_as_large_as_svhns():
    found = mcnemar(*outcomes(620, 720, both=22_000, neither=2_692))
    wanted = 2 * sum(math.comb(1340, k) for k in range(621)) / 2**1340
    assert found.p == pytest.approx(wanted, rel=1e-9)
    assert found.p == pytest.approx(0.0068, abs=1e-4)


def test_mcnemar_without_a_difference_and_either_way_round():
    right = np.array([True, False, True])
    assert mcnemar(right, right).p == 1
    first, second = outcomes(3, 11)
    assert mcnemar(first, second).p == mcnemar(second, first).p


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.ones(3, bool), np.ones(4, bool)),
        (np.ones(3, bool), np.ones(1, bool)),
        (np.ones(3, bool), np.ones((3, 1), bool)),
        (np.ones((3, 2), bool), np.ones((3, 2), bool)),
        (np.ones(3, int), np.ones(3, bool)),
        (np.ones(3, bool), np.ones(3)),
    ],
)
def test_mcnemar_refuses_differing_images(first, second):
    with pytest.raises(ValueError, match=r"bool|images"):
        mcnemar(first, second)
