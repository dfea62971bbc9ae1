"""The interquartile mean of several comparison groups."""

import numpy as np
from scipy import stats

from analysis.statistics.interquartile_mean import interquartile_mean
from benchmarks.statistics.simulated import SEEDS, SHAPES, Values, effects, share
from benchmarks.table import Section

RESAMPLES = 399


def table(simulations: int) -> Section:
    """Beside it, the same bootstrap with resamples as they are drawn, not rescaled."""
    generator = np.random.default_rng(5)
    rows = []
    for shape in SHAPES:
        for count in (4, 12):
            means = np.linspace(-1, 2, count)[:, None]
            truth = interquartile_mean(list(means + quantiles(shape)), resamples=1).mean
            for n in SEEDS:
                hits = []
                for number in range(simulations):
                    values = means + effects(generator, shape, (count, n))
                    found = interquartile_mean(list(values), resamples=RESAMPLES, seed=number)
                    assert found.low is not None
                    assert found.high is not None
                    low, high = as_drawn(values, generator)
                    hits.append([found.low <= truth <= found.high, low <= truth <= high])
                columns = [share(column) for column in zip(*hits, strict=True)]
                rows.append([shape, str(count), str(n), *columns])
    return Section(
        "Interquartile mean of several groups: 95 % intervals that hold the true one, % of "
        "simulations (right: 95).",
        ["differences", "groups", "n", "**rescaled**", "as drawn (Agarwal et al.)"],
        rows,
        f"{simulations:,} simulations per cell, {RESAMPLES} resamples; the groups' means are 3 "
        "standard deviations apart at most.",
    )


def quantiles(shape: str) -> Values:
    """Of `effects`: a population of 1,000."""
    shares = (np.arange(1000) + 0.5) / 1000
    given = stats.norm.ppf(shares) if shape == "normal" else stats.expon.ppf(shares) - 1
    return np.asarray(given)


def as_drawn(values: Values, generator: np.random.Generator) -> tuple[float, float]:
    """values [groups, n]."""
    count, n = values.shape
    drawn = generator.integers(n, size=(RESAMPLES, count, n))
    rows = np.take_along_axis(np.broadcast_to(values, drawn.shape), drawn, axis=2)
    found = stats.trim_mean(rows.reshape(RESAMPLES, -1), 0.25, axis=1)
    low, high = np.quantile(found, [0.025, 0.975]).tolist()
    return low, high
