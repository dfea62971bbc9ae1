"""How sure we are: intervals and tests over trainings (seeds) and over images, on plain numbers.

t_interval([0.012, 0.015, 0.011])  # gains of three trainings, as fractions
mcnemar(last_answers == labels, average_answers == labels)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

Values = Sequence[float] | npt.NDArray[np.floating]

BOOTSTRAP_FROM = 10
"""Values from which on a bootstrap interval is given: see `bootstrap_interval`."""

SAME = 1e-12
"""Values no further apart than this are identical: a gain is a difference of accuracies, whose
rounding (1e-16) is no spread. One image of a million is 1e-6."""


@dataclass(frozen=True)
class Interval:
    """Mean of n values, their sample standard deviation and the interval of the mean, all in the
    unit of the values. None is what the values can't tell."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class McNemar:
    """Numbers of images that only the first and only the second model gets right, and the p."""

    only_first: int
    only_second: int
    p: float


def t_interval(values: Values, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of `values` [n], one value a training (scipy.stats.t).

    One value has neither sd nor interval. Identical values have sd 0 and no interval: accuracies
    come in steps of one image, so that a sd of 0 is no certainty.
    Raises ValueError for no values, for values that aren't finite, and for a level outside (0, 1).
    """
    _check(level)
    given = _finite(values)
    n = given.size
    if n == 0:
        raise ValueError("an interval needs at least one value")
    mean = math.fsum(given) / n
    if n == 1:
        return Interval(n, mean, None, None, None)
    if _identical(given):
        return Interval(n, mean, 0.0, None, None)
    sd = float(given.std(ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * sd / math.sqrt(n)
    return Interval(n, mean, sd, mean - half, mean + half)


def t_test(values: Values) -> float | None:
    """Two-sided p that the mean of `values` [n] is 0 (scipy.stats.ttest_1samp); None for fewer than
    two values and for identical ones. Raises ValueError for values that aren't finite."""
    given = _finite(values)
    if _identical(given):
        return None
    return float(stats.ttest_1samp(given, 0.0).pvalue)


def bootstrap_interval(
    values: Values, level: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """BCa bootstrap interval of the mean of `values` [n], in their unit (scipy.stats.bootstrap with
    9,999 resamples; Efron 1987). The same values, in the same order, give the same interval.

    None below `BOOTSTRAP_FROM` values: a resample of few values never leaves their range, so that
    "95 %" of three normal values hold the mean 75 times in 100 (not all three on one side of it:
    1 - 2/2^3). At ten, BCa holds it 90 times for normal values and 88 for exponential ones,
    percentiles 90 and 86, Student's t 95 and 90: report `t_interval`, and this beside it.
    None where all values are identical. Raises ValueError as `t_interval` does.
    """
    _check(level)
    given = _finite(values)
    if given.size < BOOTSTRAP_FROM or _identical(given):
        return None
    # random_state, since scipy 1.13 and 1.14 don't know rng
    found = stats.bootstrap(
        (given,), np.mean, confidence_level=level, method="BCa", batch=1000, random_state=seed
    ).confidence_interval
    return float(found.low), float(found.high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p of each of several tests, in the order given: those at or below a level may be
    rejected together, with that chance of any false rejection (step-down, Holm 1979, Scandinavian
    Journal of Statistics 6:65-70). Raises ValueError for a p outside [0, 1] or NaN."""
    wrong = [p for p in p_values if not 0 <= p <= 1]
    if wrong:
        raise ValueError(f"p values are in [0, 1], not {wrong}")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def mcnemar(first_right: npt.NDArray[np.bool_], second_right: npt.NDArray[np.bool_]) -> McNemar:
    """Exact two-sided McNemar test of two models on the same images, from whether each is right:
    bool [N] each (McNemar 1947; scipy.stats.binomtest on the images that one only gets right).

    It speaks of new images for these two sets of weights, not of new trainings. p is 1 where no
    image tells the models apart. Raises ValueError for arrays that aren't bool [N], N the same.
    """
    first, second = np.asarray(first_right), np.asarray(second_right)
    for right in (first, second):
        if right.dtype != np.bool_ or right.ndim != 1:
            raise ValueError(f"expected bool [N], not {right.dtype} {list(right.shape)}")
    if first.shape != second.shape:
        raise ValueError(f"not the same images: {first.size} and {second.size}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    p = float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0
    return McNemar(only_first, only_second, p)


def detectable_by_seeds(sd: float, n: int, level: float = 0.95, power: float = 0.8) -> float | None:
    """Smallest true mean, in the unit of `sd`, that a two-sided one-sample t test over n trainings
    detects with that power at p < 1 - level (noncentral t, scipy.stats.nct).

    A significant mean of the wrong sign doesn't count as detection; its chance is negligible.
    None for n < 2, and for sd 0, with which there is no test. Raises ValueError for a sd that is
    negative or not finite, a level outside (0, 1) and a power outside [0.5, 1).
    """
    _check(level, power)
    if not 0 <= sd < math.inf:
        raise ValueError(f"a standard deviation is finite and not negative, not {sd}")
    if n < 2 or sd == 0:
        return None
    critical = float(stats.t.ppf((1 + level) / 2, n - 1))

    def excess(shift: float) -> float:
        return float(stats.nct.sf(critical, n - 1, shift)) - power

    highest = critical + 1
    while excess(highest) < 0:
        highest *= 2
    return float(optimize.brentq(excess, 0.0, highest)) * sd / math.sqrt(n)


def detectable_by_images(
    discordant: float, n: int, level: float = 0.95, power: float = 0.8
) -> float | None:
    """Smallest difference of accuracy (a fraction) of two models on the same n images that
    McNemar's test detects with that power, where a share `discordant` of all images is answered
    rightly by one of them only (Connor 1987, Biometrics 43:207-211).

    It is of the asymptotic test; the exact one has a little less power: 77 to 78 % instead of 80
    where 20 to 200 images are discordant, 79 % from 500 on.
    None where even the largest difference, `discordant` itself, isn't detectable. Raises ValueError
    for a share outside [0, 1], n < 1, a level outside (0, 1) and a power outside [0.5, 1).
    """
    _check(level, power)
    if not 0 <= discordant <= 1:
        raise ValueError(f"a share of the images is in [0, 1], not {discordant}")
    if n < 1:
        raise ValueError(f"a test needs at least one image, not {n}")
    z_level, z_power = float(stats.norm.ppf((1 + level) / 2)), float(stats.norm.ppf(power))

    def missing(difference: float) -> float:
        spread = math.sqrt(discordant - difference**2)
        return z_level * math.sqrt(discordant) + z_power * spread - difference * math.sqrt(n)

    if discordant == 0 or missing(discordant) > 0:
        return None
    return float(optimize.brentq(missing, 0.0, discordant))


def epochs_saved(running: Mapping[int, float], last_epoch: int, last_accuracy: float) -> int | None:
    """How many epochs before the last checkpoint's the average is as accurate, and stays so.

    `running` maps epochs to the accuracy of the average up to and including each. Counted is from
    the earliest epoch from which on every running average up to the end has at least
    `last_accuracy`, so that one lucky epoch doesn't count. None where the final one has less.
    Raises ValueError where `running` is empty or goes past `last_epoch`, and for accuracies that
    aren't finite.
    """
    if not running:
        raise ValueError("there is no running average: set averaging.running=true")
    if max(running) > last_epoch:
        raise ValueError(f"epoch {max(running)} of the average is past the last, {last_epoch}")
    _finite([*running.values(), last_accuracy])
    earliest = None
    for epoch in sorted(running, reverse=True):
        if running[epoch] < last_accuracy:
            break
        earliest = epoch
    return None if earliest is None else last_epoch - earliest


def _finite(values: Values) -> npt.NDArray[np.float64]:
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all():
        raise ValueError(f"expected a list of finite numbers, not {values}")
    return given


def _identical(given: npt.NDArray[np.float64]) -> bool:
    return given.size < 2 or float(np.ptp(given)) <= SAME


def _check(level: float, power: float = 0.5) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level is in (0, 1), not {level}")
    if not 0.5 <= power < 1:
        raise ValueError(f"a power is in [0.5, 1), not {power}")
