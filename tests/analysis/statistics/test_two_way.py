"""Against loops, closed cases and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.intervals import t_interval
from analysis.statistics.two_way import mean_squares, two_way_interval
from tests.analysis.statistics.conftest import random


def naive(rows, level):
    """The crossed analysis of variance, entry by entry."""
    n, images = len(rows), len(rows[0])
    mean = sum(map(sum, rows)) / n / images
    by_seed = [sum(row) / images for row in rows]
    by_image = [sum(row[j] for row in rows) / n for j in range(images)]
    of_seeds = images * sum((one - mean) ** 2 for one in by_seed) / (n - 1)
    of_images = n * sum((one - mean) ** 2 for one in by_image) / (images - 1)
    residual = 0.0
    for i in range(n):
        for j in range(images):
            residual += (rows[i][j] - by_seed[i] - by_image[j] + mean) ** 2
    residual /= (n - 1) * (images - 1)
    of_image = max((of_images - residual) / n, 0.0)  # the variance of the images' effects
    of_seed = max((of_seeds - residual) / images, 0.0)
    t_seeds, t_images = (stats.t.ppf((1 + level) / 2, count - 1) for count in (n, images))
    half = math.sqrt(t_seeds**2 * of_seeds / n / images + t_images**2 * of_image / images)
    variance = of_seed / n + of_image / images + residual / n / images
    return mean, half, of_seed / n / variance, of_image / images / variance


def crossed(generator, seeds, images, by_seed=1.0, by_image=1.0, residual=1.0):
    """Normal differences of mean 0; the three standard deviations are of effects."""
    return (
        by_seed * generator.normal(size=(seeds, 1))
        + by_image * generator.normal(size=images)
        + residual * generator.normal(size=(seeds, images))
    )


@pytest.mark.parametrize("level", [0.95, 0.8])
@pytest.mark.parametrize(("seeds", "images"), [(2, 2), (2, 9), (3, 40), (10, 6)])
def test_it_is_the_analysis_of_variance(seeds, images, level):
    for seed in range(10):
        generator = random(seed)
        given = crossed(generator, seeds, images, *generator.uniform(0, 2, 3))
        if seed % 2:
            given = np.sign(given.round())  # as of right and wrong: -1, 0, 1
            given[0, 0] = 0.5
        mean, half, share_seeds, share_images = naive(given.tolist(), level)
        found = two_way_interval(given, level)
        assert (found.seeds, found.images) == (seeds, images)
        assert found.mean == pytest.approx(mean)
        assert found.low == pytest.approx(mean - half)
        assert found.high == pytest.approx(mean + half)
        assert found.share_seeds == pytest.approx(share_seeds)
        assert found.share_images == pytest.approx(share_images)


def test_the_mean_squares_and_what_is_known_add_up_to_the_sum_of_squares():
    given = crossed(random(), 4, 30) + 2
    of_seeds, of_images, residual = mean_squares(given)
    total = 3 * of_seeds + 29 * of_images + 87 * residual
    assert total == pytest.approx(((given - given.mean()) ** 2).sum())


def test_it_is_never_narrower_than_the_t_interval_over_seeds():
    for seed in range(30):
        given = crossed(random(seed), 3, 50, 0.1, 0.3)
        found, over_seeds = two_way_interval(given), t_interval(given.mean(1))
        assert found.low <= over_seeds.low + 1e-12
        assert found.high >= over_seeds.high - 1e-12


def test_images_that_all_seeds_get_right_alike_widen_it_and_take_the_share():
    given = np.tile(crossed(random(1), 1, 400, 0, 1, 0), (5, 1)) + 0.001 * np.arange(5)[:, None]
    found, over_seeds = two_way_interval(given), t_interval(given.mean(1))
    assert found.high - found.low > 10 * (over_seeds.high - over_seeds.low)
    assert found.share_images > 0.99
    assert found.share_seeds < 0.01


def test_differences_that_images_do_not_decide_give_the_t_interval():
    given = np.array([[0.1], [0.2], [0.4]]) * np.ones(50)
    found, over_seeds = two_way_interval(given), t_interval(given.mean(1))
    assert (found.low, found.high) == pytest.approx((over_seeds.low, over_seeds.high))
    assert (found.share_seeds, found.share_images) == pytest.approx((1, 0))


def test_the_order_of_seeds_and_images_does_not_matter():
    generator = random(2)
    given = crossed(generator, 4, 20)
    moved = given[generator.permutation(4)][:, generator.permutation(20)]
    first, second = two_way_interval(given), two_way_interval(moved)
    assert (first.low, first.high) == pytest.approx((second.low, second.high))


@pytest.mark.parametrize(
    "given",
    [
        np.arange(9.0)[None],  # one seed
        np.arange(4.0)[:, None],  # one image
        np.zeros((3, 8)),
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],  # seeds of the same mean
    ],
)
def test_without_a_spread_over_seeds_there_is_no_interval(given):
    found = two_way_interval(given)
    assert found.mean == pytest.approx(np.mean(given))
    assert (found.low, found.high, found.share_seeds, found.share_images) == (None,) * 4


@pytest.mark.parametrize(
    "wrong", [[0.1, 0.2], [[0.1, math.nan]], [[math.inf]], [], [[]], np.zeros((2, 2, 2))]
)
def test_refuses_what_is_not_seeds_by_images(wrong):
    with pytest.raises(ValueError, match=r"\[seeds, images\]"):
        two_way_interval(wrong)


@pytest.mark.parametrize("level", [0, 1, 95, math.nan])
def test_refuses_invalid_levels(level):
    with pytest.raises(ValueError, match="level"):
        two_way_interval([[1, 2], [3, 5]], level)


@pytest.mark.parametrize(
    ("seeds", "by_seed", "by_image"),  # sd of effects; 60 images, residual 1
    [(3, 0.0, 0.0), (3, 1.0, 0.0), (3, 0.2, 1.5), (6, 0.0, 3.0)],
)
def test_it_holds_its_level_whatever_the_ratio_of_the_variances(seeds, by_seed, by_image):
    generator, missed = random(3), 0
    for _ in range(1200):
        found = two_way_interval(crossed(generator, seeds, 60, by_seed, by_image))
        missed += not found.low <= 0 <= found.high
    assert 0.015 < missed / 1200 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1200)
