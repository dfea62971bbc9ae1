"""Against published numbers, slow references and simulations, all of fixed seeds."""

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy import integrate, stats

from analysis.statistics import (
    BOOTSTRAP_FROM,
    bootstrap_interval,
    detectable_by_images,
    detectable_by_seeds,
    epochs_saved,
    holm,
    mcnemar,
    t_interval,
    t_test,
)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def random(seed=0):
    return np.random.default_rng(seed)


# Student's t


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
def test_refuses_values_that_are_no_numbers(function, wrong):
    with pytest.raises(ValueError, match="finite"):
        function(wrong)


def test_refuses_an_interval_of_nothing():
    with pytest.raises(ValueError, match="at least one"):
        t_interval([])


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.5, math.nan])
def test_refuses_levels_that_are_no_levels(level):
    for function in (
        lambda: t_interval([1.0, 2.0], level),
        lambda: bootstrap_interval(list(range(12)), level),
        lambda: detectable_by_seeds(1.0, 3, level),
        lambda: detectable_by_images(0.1, 1000, level),
    ):
        with pytest.raises(ValueError, match="level"):
            function()


# Bootstrap


def percentiles(data):
    """Low and high [sets] of 95 % percentile bootstraps of the mean of data [sets, n]."""
    return _bootstrap(data, "percentile")


def _bootstrap(data, method):
    parts = [
        stats.bootstrap((part,), np.mean, axis=-1, method=method, n_resamples=1999, random_state=7)
        for part in np.split(data, len(data) // 250)
    ]
    return tuple(
        np.concatenate([getattr(part.confidence_interval, end) for part in parts])
        for end in ("low", "high")
    )


def coverage(interval, truth):
    low, high = interval
    return np.mean((low <= truth) & (truth <= high))


def test_a_percentile_bootstrap_of_three_covers_75_of_100_where_it_says_95():
    data = random().normal(size=(2500, 3))
    low, high = percentiles(data)
    np.testing.assert_allclose(low, data.min(1))  # 1/27 of the resamples are thrice the smallest
    np.testing.assert_allclose(high, data.max(1))
    assert coverage((low, high), 0) == pytest.approx(0.75, abs=0.035)


def test_bca_covers_better_than_percentiles_at_ten_skewed_values():
    data = random().exponential(size=(3000, 10))
    percentile, bca = coverage(percentiles(data), 1), coverage(_bootstrap(data, "BCa"), 1)
    assert percentile == pytest.approx(0.861, abs=0.02)
    assert bca == pytest.approx(0.875, abs=0.02)
    assert bca > percentile + 0.005


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


# Holm


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
def test_holm_refuses_what_is_no_p(wrong):
    with pytest.raises(ValueError, match="p values"):
        holm([0.5, wrong])


# McNemar


def answers(only_first, only_second, both=7, neither=4):
    first = [True] * (only_first + both) + [False] * (only_second + neither)
    second = [False] * only_first + [True] * (both + only_second) + [False] * neither
    order = random().permutation(len(first))
    return np.array(first)[order], np.array(second)[order]


def test_mcnemar_is_the_plain_sum_of_binomials():
    for only_first, only_second in itertools.product(range(13), repeat=2):
        n, few = only_first + only_second, min(only_first, only_second)
        wanted = min(1.0, 2 * sum(math.comb(n, k) for k in range(few + 1)) / 2**n)
        found = mcnemar(*answers(only_first, only_second))
        assert (found.only_first, found.only_second) == (only_first, only_second)
        assert found.p == pytest.approx(wanted, rel=1e-9)


def test_mcnemar_on_a_test_set_as_large_as_svhns():
    found = mcnemar(*answers(620, 720, both=22_000, neither=2_692))
    wanted = 2 * sum(math.comb(1340, k) for k in range(621)) / 2**1340
    assert found.p == pytest.approx(wanted, rel=1e-9)
    assert found.p == pytest.approx(0.0068, abs=1e-4)


def test_mcnemar_without_a_difference_and_either_way_round():
    right = np.array([True, False, True])
    assert mcnemar(right, right).p == 1
    first, second = answers(3, 11)
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
def test_mcnemar_refuses_what_are_not_the_same_images(first, second):
    with pytest.raises(ValueError, match=r"bool|images"):
        mcnemar(first, second)


# Detectable differences


def test_detectable_by_seeds_agrees_with_cohen():
    """Cohen 1988 and G*Power: 34 pairs for a standardised difference of 0.5, and power 0.8078."""
    assert detectable_by_seeds(1, 34) < 0.5 < detectable_by_seeds(1, 33)
    assert detectable_by_seeds(1, 34, power=0.8078) == pytest.approx(0.5, abs=5e-5)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 34])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_detectable_by_seeds_is_detected_that_often(n, power):
    sd, sets = 0.003, 20_000
    shift = detectable_by_seeds(sd, n, power=power)
    values = random(n).normal(shift, sd, (sets, n))
    detected = np.mean(stats.ttest_1samp(values, 0, axis=1).pvalue < 0.05)
    assert detected == pytest.approx(power, abs=4 * math.sqrt(power * (1 - power) / sets))


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
def test_detectable_by_seeds_has_the_power_of_a_slow_integral(n, level, power):
    shift = detectable_by_seeds(1.0, n, level, power)
    assert slow_power(shift, n, level) == pytest.approx(power, abs=1e-5)


def test_detectable_by_seeds_of_two_and_three():
    """11.5 and 3.3 sd: what two or three trainings can't show, said in numbers."""
    assert detectable_by_seeds(1, 2) == pytest.approx(11.55, abs=0.005)
    assert detectable_by_seeds(1, 3) == pytest.approx(3.264, abs=0.0005)


def test_detectable_by_seeds_falls_with_n_and_grows_with_all_else():
    by_n = [detectable_by_seeds(1, n) for n in range(2, 60)]
    by_level = [detectable_by_seeds(1, 5, level) for level in (0.5, 0.8, 0.95, 0.999)]
    by_power = [detectable_by_seeds(1, 5, power=power) for power in (0.5, 0.8, 0.95, 0.999)]
    assert (np.diff(by_n) < 0).all()
    assert (np.diff(by_level) > 0).all()
    assert (np.diff(by_power) > 0).all()
    assert detectable_by_seeds(0.004, 5) == pytest.approx(0.004 * detectable_by_seeds(1, 5))


def test_detectable_by_seeds_is_none_where_there_is_no_test():
    assert detectable_by_seeds(0.1, 1) is None
    assert detectable_by_seeds(0.1, 0) is None
    assert detectable_by_seeds(0.0, 5) is None


@pytest.mark.parametrize("sd", [-0.1, math.nan, math.inf])
def test_detectable_by_seeds_refuses_what_is_no_sd(sd):
    with pytest.raises(ValueError, match="standard deviation"):
        detectable_by_seeds(sd, 5)


@pytest.mark.parametrize("power", [0.49, 1.0, math.nan])
def test_refuses_powers_that_are_no_powers(power):
    with pytest.raises(ValueError, match="power"):
        detectable_by_seeds(1.0, 5, power=power)
    with pytest.raises(ValueError, match="power"):
        detectable_by_images(0.1, 1000, power=power)


@pytest.mark.parametrize("discordant", [0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("n", [500, 26_032])
@pytest.mark.parametrize(("level", "power"), [(0.95, 0.8), (0.99, 0.5), (0.9, 0.95)])
def test_detectable_by_images_solves_connors_equation(discordant, n, level, power):
    z_level, z_power = stats.norm.isf((1 - level) / 2), stats.norm.isf(1 - power)

    def images(difference):
        spread = math.sqrt(discordant - difference**2)
        return (z_level * math.sqrt(discordant) + z_power * spread) ** 2 / difference**2

    found = detectable_by_images(discordant, n, level, power)
    if images(discordant) > n:
        assert found is None
    else:
        assert images(found) == pytest.approx(n)
        assert 0 < found <= discordant


@pytest.mark.parametrize(
    ("discordant", "n"), [(0.1, 500), (0.1, 1000), (0.05, 10_000), (0.06, 26_032)]
)
def test_detectable_by_images_is_detected_about_that_often_by_the_exact_test(discordant, n):
    difference, sets = detectable_by_images(discordant, n), 20_000
    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    counts = random().multinomial(n, shares, sets)
    few, pairs = counts[:, :2].min(1), counts[:, :2].sum(1)
    detected = np.mean(2 * stats.binom.cdf(few, pairs, 0.5) <= 0.05)
    assert 0.765 < detected < 0.8  # the exact test is the more careful one


def test_detectable_by_images_falls_with_n_and_grows_with_the_share_and_the_power():
    by_n = [detectable_by_images(0.1, n) for n in (200, 1000, 5000, 26_032)]
    by_share = [detectable_by_images(share, 1000) for share in (0.02, 0.05, 0.2, 0.9)]
    by_power = [detectable_by_images(0.1, 1000, power=power) for power in (0.5, 0.8, 0.95)]
    assert (np.diff(by_n) < 0).all()
    assert (np.diff(by_share) > 0).all()
    assert (np.diff(by_power) > 0).all()


def test_detectable_by_images_is_none_where_nothing_is():
    assert detectable_by_images(0.0, 1000) is None
    assert detectable_by_images(0.001, 1000) is None  # one image differs
    assert detectable_by_images(1.0, 3) is None
    assert detectable_by_images(0.01, 1000) == pytest.approx(0.0088, abs=2e-4)


@pytest.mark.parametrize("discordant", [-0.1, 1.1, math.nan])
def test_detectable_by_images_refuses_what_is_no_share(discordant):
    with pytest.raises(ValueError, match="share"):
        detectable_by_images(discordant, 1000)
    with pytest.raises(ValueError, match="image"):
        detectable_by_images(0.1, 0)


# Epochs saved


@pytest.mark.parametrize(
    ("running", "saved"),
    [
        ({10: 0.80, 11: 0.85, 12: 0.90, 13: 0.91}, 7),
        ({10: 0.90, 11: 0.91}, 9),
        ({10: 0.95, 11: 0.85, 12: 0.91}, 7),  # epoch 10 was luck
        ({12: 0.91, 11: 0.85, 10: 0.95}, 7),  # in any order
        ({10: 0.95, 11: 0.95, 12: 0.89}, None),  # not held to the end
        ({10: 0.1}, None),
        ({19: 0.9}, 0),  # as accurate as the last, at the last
        ({10: 0.95, 14: 0.95, 19: 0.95}, 9),
    ],
)
def test_epochs_saved(running, saved):
    assert epochs_saved(running, 19, 0.9) == saved


def test_epochs_saved_is_what_a_plain_search_finds():
    generator = random()
    for _ in range(300):
        start, last = generator.integers(0, 6), 11
        running = {e: float(generator.integers(4, 8)) / 8 for e in range(start, last + 1)}
        held = [e for e in running if all(running[f] >= 0.6 for f in running if f >= e)]
        assert epochs_saved(running, last, 0.6) == (last - min(held) if held else None)


@pytest.mark.parametrize(
    ("running", "message"),
    [({}, "no running average"), ({18: 0.9, 20: 0.9}, "past the last"), ({3: math.nan}, "finite")],
)
def test_epochs_saved_refuses(running, message):
    with pytest.raises(ValueError, match=message):
        epochs_saved(running, 19, 0.9)


def test_epochs_saved_refuses_a_last_accuracy_that_is_none():
    with pytest.raises(ValueError, match="finite"):
        epochs_saved({3: 0.9}, 19, math.nan)
