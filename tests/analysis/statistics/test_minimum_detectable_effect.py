"""Against published numbers, slow references and simulations."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from analysis.statistics.minimum_detectable_effect import (
    minimum_detectable_effect_over_images,
    minimum_detectable_effect_over_seeds,
)
from tests.analysis.statistics.conftest import random


def test_the_effect_over_seeds_agrees_with_cohen():
    """Cohen 1988 and G*Power: 34 pairs for a standardised difference of 0.5, and power 0.8078."""
    assert (
        minimum_detectable_effect_over_seeds(1, 34)
        < 0.5
        < minimum_detectable_effect_over_seeds(1, 33)
    )
    assert minimum_detectable_effect_over_seeds(1, 34, power=0.8078) == pytest.approx(0.5, abs=5e-5)


def slow_power(shift, n, level):
    """Of the t test at a true mean of `shift` sd: the normal's tail, averaged over sample sds."""
    freedom, critical = n - 1, stats.t.ppf((1 + level) / 2, n - 1)

    def integrand(sd):
        density = stats.chi.pdf(sd * math.sqrt(freedom), freedom) * math.sqrt(freedom)
        return stats.norm.sf(critical * sd - shift * math.sqrt(n)) * density

    edge = shift * math.sqrt(n) / critical  # past it the integrand falls off
    ends = [0, edge, edge + 0.1, edge + 1, edge + 12]
    return sum(integrate.quad(integrand, a, b)[0] for a, b in itertools.pairwise(ends))


@pytest.mark.parametrize("n", [2, 3, 4, 10, 100])
@pytest.mark.parametrize(("level", "power"), [(0.95, 0.8), (0.9, 0.5), (0.99, 0.99)])
def test_the_effect_over_seeds_has_the_power_of_a_slow_integral(n, level, power):
    shift = minimum_detectable_effect_over_seeds(1.0, n, level, power)
    assert slow_power(shift, n, level) == pytest.approx(power, abs=1e-5)


def test_the_effect_over_seeds_falls_with_n_and_grows_with_all_else():
    by_n = [minimum_detectable_effect_over_seeds(1, n) for n in range(2, 60)]
    by_level = [
        minimum_detectable_effect_over_seeds(1, 5, level) for level in (0.5, 0.8, 0.95, 0.999)
    ]
    by_power = [
        minimum_detectable_effect_over_seeds(1, 5, power=power) for power in (0.5, 0.8, 0.95, 0.999)
    ]
    assert (np.diff(by_n) < 0).all()
    assert (np.diff(by_level) > 0).all()
    assert (np.diff(by_power) > 0).all()
    assert minimum_detectable_effect_over_seeds(0.004, 5) == pytest.approx(
        0.004 * minimum_detectable_effect_over_seeds(1, 5)
    )


def test_the_effect_over_seeds_is_none_where_there_is_no_test():
    assert minimum_detectable_effect_over_seeds(0.1, 1) is None
    assert minimum_detectable_effect_over_seeds(0.1, 0) is None
    assert minimum_detectable_effect_over_seeds(0.0, 5) is None


@pytest.mark.parametrize("sd", [-0.1, math.nan, math.inf])
def test_the_effect_over_seeds_refuses_an_invalid_sd(sd):
    with pytest.raises(ValueError, match="standard deviation"):
        minimum_detectable_effect_over_seeds(sd, 5)


@pytest.mark.parametrize("power", [0.49, 1.0, math.nan])
def test_refuses_invalid_powers(power):
    with pytest.raises(ValueError, match="power"):
        minimum_detectable_effect_over_seeds(1.0, 5, power=power)
    with pytest.raises(ValueError, match="power"):
        minimum_detectable_effect_over_images(0.1, 1000, power=power)


@pytest.mark.parametrize("discordant", [0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("n", [500, 26_032])
@pytest.mark.parametrize(("level", "power"), [(0.95, 0.8), (0.99, 0.5), (0.9, 0.95)])
def test_the_effect_over_images_solves_connors_equation(discordant, n, level, power):
    z_level, z_power = stats.norm.isf((1 - level) / 2), stats.norm.isf(1 - power)

    def images(difference):
        spread = math.sqrt(discordant - difference**2)
        return (z_level * math.sqrt(discordant) + z_power * spread) ** 2 / difference**2

    found = minimum_detectable_effect_over_images(discordant, n, level, power)
    if images(discordant) > n:
        assert found is None
    else:
        assert images(found) == pytest.approx(n)
        assert 0 < found <= discordant


@pytest.mark.parametrize(
    ("discordant", "n"), [(0.1, 500), (0.1, 1000), (0.05, 10_000), (0.06, 26_032)]
)
def test_the_effect_over_images_is_detected_about_that_often_by_the_exact_test(discordant, n):
    difference, sets = minimum_detectable_effect_over_images(discordant, n), 20_000
    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    counts = random().multinomial(n, shares, sets)
    few, pairs = counts[:, :2].min(1), counts[:, :2].sum(1)
    detected = np.mean(2 * stats.binom.cdf(few, pairs, 0.5) <= 0.05)
    assert 0.765 < detected < 0.8  # the exact test is the more careful one


def test_the_effect_over_images_falls_with_n_and_grows_with_the_share_and_the_power():
    by_n = [minimum_detectable_effect_over_images(0.1, n) for n in (200, 1000, 5000, 26_032)]
    by_share = [
        minimum_detectable_effect_over_images(share, 1000) for share in (0.02, 0.05, 0.2, 0.9)
    ]
    by_power = [
        minimum_detectable_effect_over_images(0.1, 1000, power=power) for power in (0.5, 0.8, 0.95)
    ]
    assert (np.diff(by_n) < 0).all()
    assert (np.diff(by_share) > 0).all()
    assert (np.diff(by_power) > 0).all()


def test_the_effect_over_images_is_none_where_no_difference_is_detectable():
    assert minimum_detectable_effect_over_images(0.0, 1000) is None
    assert minimum_detectable_effect_over_images(0.001, 1000) is None  # one image differs
    assert minimum_detectable_effect_over_images(1.0, 3) is None
    assert minimum_detectable_effect_over_images(0.01, 1000) == pytest.approx(0.0088, abs=2e-4)


@pytest.mark.parametrize("discordant", [-0.1, 1.1, math.nan])
def test_the_effect_over_images_refuses_an_invalid_share(discordant):
    with pytest.raises(ValueError, match="share"):
        minimum_detectable_effect_over_images(discordant, 1000)
    with pytest.raises(ValueError, match="image"):
        minimum_detectable_effect_over_images(0.1, 0)
