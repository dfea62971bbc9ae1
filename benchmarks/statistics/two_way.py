"""Seeds and images together: the interval chosen, and those that it was chosen over."""

import math

import numpy as np
from scipy import stats

from analysis.statistics.intervals import t_interval
from analysis.statistics.two_way import mean_squares, two_way_interval
from benchmarks.statistics.simulated import SEEDS, Values, effects, share
from benchmarks.table import Section

DISCORDANT, ALWAYS = 0.9, 0.11
"""On a share ALWAYS of the images one model alone is right, DISCORDANT of the time."""
TENDENCY = 0.9
"""How often an image that tends to one of the two models is a gain for that one."""
RESAMPLES = 399

Ends = tuple[float, float]


def differences(generator: np.random.Generator, case: str, n: int, images: int) -> Values:
    """[n, images] of mean 0: right or wrong, so -1, 0 or 1, plus the seed's effect."""
    towards = np.full(images, 0.5)
    if "images" in case:
        towards = np.where(generator.random(images) < 0.5, TENDENCY, 1 - TENDENCY)
    differ = (generator.random(images) < ALWAYS) & (generator.random((n, images)) < DISCORDANT)
    signs = np.where(generator.random((n, images)) < towards, 1.0, -1.0)
    variance = ALWAYS * DISCORDANT
    scale = 0.0
    if case == "seeds and images":  # 2 to 1
        alike = ALWAYS * (DISCORDANT * (2 * TENDENCY - 1)) ** 2
        scale = math.sqrt(2 * n * alike / images)
    elif "seeds" in case:
        scale = math.sqrt(4 * variance / images)
    shape = "skewed" if case.endswith("skewed") else "normal"
    return differ * signs + scale * effects(generator, shape, (n, 1))


def table(simulations: int, resampled: int) -> Section:
    """`resampled`: simulations of the bootstraps, which are slower."""
    generator = np.random.default_rng(4)
    rows = []
    for case in ("neither", "seeds", "seeds, skewed", "images", "seeds and images"):
        for n in SEEDS:
            hits: dict[str, list[bool]] = {}
            shares = []
            for number in range(simulations):
                given = differences(generator, case, n, 500)
                found = two_way_interval(given)
                shares.append(found.share_images or 0.0)
                intervals = {
                    "t": ends(t_interval(given.mean(1))),
                    "two-way, 500": ends(found),
                    "Satterthwaite": satterthwaite(given),
                }
                if number < resampled:
                    intervals |= pigeonhole(given, generator)
                more = differences(generator, case, n, 2000)
                intervals["two-way, 2,000"] = ends(two_way_interval(more))
                for name, (low, high) in intervals.items():
                    hits.setdefault(name, []).append(low <= 0 <= high)
            rows.append([case, str(n), f"{100 * np.mean(shares):.0f}"])
            rows[-1] += [share(hits[name]) for name in COLUMNS]
    return Section(
        "Seeds and images: 95 % intervals that hold the true mean over both, % of simulations "
        "(right: 95 or more).",
        ["what varies", "n", "images' share of the variance, %", *COLUMNS.values()],
        rows,
        f"{simulations:,} simulations per cell, {resampled:,} of the pigeonhole bootstrap with "
        f"{RESAMPLES} resamples; 500 images where the column doesn't say.",
    )


COLUMNS = {
    "t": "t over seeds",
    "two-way, 500": "**two-way**",
    "two-way, 2,000": "**two-way**, 2,000 images",
    "Satterthwaite": "Satterthwaite",
    "pigeonhole": "pigeonhole",
    "corrected": "pigeonhole, corrected",
}


def ends(found: object) -> Ends:
    """Those of the whole line, where there is no interval."""
    low, high = getattr(found, "low", None), getattr(found, "high", None)
    return (-math.inf, math.inf) if low is None or high is None else (low, high)


def components(given: Values) -> tuple[float, float, float]:
    """Variances of the mean due to seeds (with the residual) and to images, and the degrees of
    freedom of their sum (Satterthwaite 1946)."""
    n, images = given.shape
    of_seeds, of_images, residual = mean_squares(given)
    seeds, image = of_seeds / given.size, max(of_images - residual, 0.0) / given.size
    freedom = (seeds + image) ** 2 / (seeds**2 / (n - 1) + image**2 / (images - 1))
    return seeds, image, freedom


def satterthwaite(given: Values, level: float = 0.95) -> Ends:
    seeds, image, freedom = components(given)
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * math.sqrt(seeds + image)
    return float(given.mean()) - half, float(given.mean()) + half


def pigeonhole(
    given: Values, generator: np.random.Generator, level: float = 0.95
) -> dict[str, Ends]:
    """Owen's bootstrap: seeds and images drawn independently, percentiles. Corrected: deviations
    from the mean scaled to the variance of `components`, and to t of its degrees of freedom."""
    n, images = given.shape
    mean = float(given.mean())
    seeds = generator.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    drawn = generator.integers(images, size=(RESAMPLES, images))
    of_images = np.stack([np.bincount(row, minlength=images) for row in drawn]) / images
    means = ((seeds @ given) * of_images).sum(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2]).tolist()
    of_seeds, of_image, freedom = components(given)
    scale = math.sqrt((of_seeds + of_image) / means.var())
    scale *= float(stats.t.ppf((1 + level) / 2, freedom) / stats.norm.ppf((1 + level) / 2))
    return {
        "pigeonhole": (low, high),
        "corrected": (mean + scale * (low - mean), mean + scale * (high - mean)),
    }
