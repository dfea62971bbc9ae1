"""Intervals of a mean over seeds.

t_interval([0.012, 0.015, 0.011])  # gains of three seeds, as fractions
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.statistics.values import Values, check, finite, identical

BOOTSTRAP_FROM = 10
"""Values from which on a bootstrap interval is given: see `bootstrap_interval`."""


@dataclass(frozen=True)
class Interval:
    """Mean of n values, their sample standard deviation and the interval of the mean, all in the
    unit of the values. None where the values don't determine it."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


def t_interval(values: Values, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of `values` [n], one value per seed (scipy.stats.t).

    One value has neither sd nor interval. Identical values have sd 0 and no interval: accuracies
    come in steps of one image, so a sd of 0 is no certainty.
    Raises ValueError for no values, for values that aren't finite, and for a level outside (0, 1).
    """
    check(level)
    given = finite(values)
    n = given.size
    if n == 0:
        raise ValueError("an interval needs at least one value")
    mean = math.fsum(given) / n
    if n == 1:
        return Interval(n, mean, None, None, None)
    if identical(given):
        return Interval(n, mean, 0.0, None, None)
    sd = float(given.std(ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * sd / math.sqrt(n)
    return Interval(n, mean, sd, mean - half, mean + half)


def bootstrap_interval(
    values: Values, level: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """BCa bootstrap interval of the mean of `values` [n], in their unit (scipy.stats.bootstrap with
    9,999 resamples; Efron 1987). The same values, in the same order, give the same interval.

    None below `BOOTSTRAP_FROM` values: a resample of few values never leaves their range, so that
    "95 %" of three normal values hold the mean 75 times in 100 (not all three on one side of it:
    1 - 2/2^3). At ten, BCa holds it 90 times for normal values and 88 for exponential ones,
    Student's t 95 and 90: report `t_interval`, and this beside it.
    None where all values are identical. Raises ValueError as `t_interval` does.
    """
    check(level)
    given = finite(values)
    if given.size < BOOTSTRAP_FROM or identical(given):
        return None
    # random_state, since scipy 1.13 and 1.14 don't know rng
    found = stats.bootstrap(
        (given,), np.mean, confidence_level=level, method="BCa", batch=1000, random_state=seed
    ).confidence_interval
    return float(found.low), float(found.high)
