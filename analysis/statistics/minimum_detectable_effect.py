"""Minimum detectable effects: the smallest difference that n seeds, or n images, detect.

minimum_detectable_effect_over_seeds(sd=0.003, n=3)   # 0.0098: a gain of 0.98 points
"""

import math

from scipy import optimize, stats

from analysis.statistics.values import check


def minimum_detectable_effect_over_seeds(
    sd: float, n: int, level: float = 0.95, power: float = 0.8
) -> float | None:
    """Smallest true mean, in the unit of `sd`, that a two-sided one-sample t test over n seeds
    detects with that power at p < 1 - level (noncentral t, scipy.stats.nct).

    A significant mean of the wrong sign doesn't count as detection; its chance is negligible.
    None for n < 2, and for sd 0, with which there is no test. Raises ValueError for a sd that is
    negative or not finite, a level outside (0, 1) and a power outside [0.5, 1).
    """
    check(level, power)
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


def minimum_detectable_effect_over_images(
    discordant: float, n: int, level: float = 0.95, power: float = 0.8
) -> float | None:
    """Smallest difference of accuracy (a fraction) of two models on the same n images that
    McNemar's test detects with that power, where exactly one of them is right on a share
    `discordant` of all images (Connor 1987, Biometrics 43:207-211).

    It is of the asymptotic test; the exact one has a little less power: 77 to 78 % instead of 80
    where 20 to 200 images are discordant, 79 % from 500 on.
    None where even the largest difference, `discordant` itself, isn't detectable. Raises ValueError
    for a share outside [0, 1], n < 1, a level outside (0, 1) and a power outside [0.5, 1).
    """
    check(level, power)
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
