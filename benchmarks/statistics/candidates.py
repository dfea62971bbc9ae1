"""Many candidates: adjusted p, and what selecting one does to the test of it."""

import math

import numpy as np

from analysis.statistics.max_t import max_t
from analysis.statistics.significance import holm, t_test
from benchmarks.statistics.simulated import SEEDS, SHAPES, Values, effects, share, significant
from benchmarks.table import Section

CANDIDATES = 30
CORRELATION = 0.8
"""Of two candidates' differences over seeds."""
SHIFT = 2.0
"""Of the half of the candidates that do differ, in standard deviations."""


def gains(
    generator: np.random.Generator, shape: str, n: int, correlation: float = CORRELATION
) -> Values:
    """[candidates, n] of mean 0 and standard deviation 1: what seeds do to all candidates, and to
    each."""
    common = math.sqrt(correlation) * effects(generator, shape, n)
    return common + math.sqrt(1 - correlation) * effects(generator, shape, (CANDIDATES, n))


def adjusted_table(simulations: int) -> Section:
    generator = np.random.default_rng(2)
    rows = []
    for shape in SHAPES:
        for n in SEEDS:
            nothing: list[list[bool]] = []
            shifted: list[Values] = []
            for _ in range(simulations):
                values = gains(generator, shape, n)
                nothing.append([min(p) <= 0.05 for p in p_values(values)])
                values[: CANDIDATES // 2] += SHIFT
                found = [np.array(p[: CANDIDATES // 2]) <= 0.05 for p in p_values(values)]
                shifted.append(np.array([each.mean() for each in found]))
            power = 100 * np.array(shifted)
            errors = power.std(0, ddof=1) / math.sqrt(simulations)
            rows.append(
                [
                    shape,
                    str(n),
                    *(share(column) for column in zip(*nothing, strict=True)),
                    *(
                        f"{mean:.1f} ± {error:.1f}"
                        for mean, error in zip(power.mean(0)[1:], errors[1:], strict=True)
                    ),
                ]
            )
    return Section(
        f"{CANDIDATES} candidates of correlation {CORRELATION}, none of which differs: any p at "
        "most 0.05, % of simulations (right: 5 or less); and where half of them differ by "
        f"{SHIFT:.0f} standard deviations, % of these found.",
        ["differences", "n", "unadjusted t", "Holm", "max-T", "Holm finds", "max-T finds"],
        rows,
        f"{simulations:,} simulations per cell.",
    )


def p_values(values: Values) -> list[list[float]]:
    """Unadjusted, by Holm, by max-T."""
    alone = [p if (p := t_test(row)) is not None else 1.0 for row in values]
    return [alone, holm(alone), max_t(values).p]


def selection_table(simulations: int) -> Section:
    generator = np.random.default_rng(3)
    rows, names = [], []
    for shape in SHAPES:
        for n in SEEDS:
            hits: dict[str, list[bool]] = {}
            for _ in range(simulations):
                for name, values in chosen(generator, shape, n).items():
                    hits.setdefault(name, []).append(significant(t_test(values)))
            names = list(hits)
            rows.append([shape, str(n), *(share(column) for column in hits.values())])
    return Section(
        f"The best of {CANDIDATES} candidates, none of which differs, tested on test: p at most "
        "0.05, % of simulations (right: 5).",
        ["seeds' effects", "n", *names],
        rows,
        f"{simulations:,} simulations per cell. Two candidates' effects of seeds are correlated by "
        f"{CORRELATION} where the column doesn't say; the noise of images is as large as they.",
    )


def chosen(generator: np.random.Generator, shape: str, n: int) -> dict[str, Values]:
    """Gains [n] on test of one candidate, by how it was chosen. Validation and test measure each
    trajectory's gain with independent noise of their images. Where both measure the same
    trajectories, what a seed happened to do for one candidate alone counts on both."""
    seeds = gains(generator, shape, n)
    validation, test = measured(generator, seeds), measured(generator, seeds)
    new = measured(generator, gains(generator, shape, n))
    found = {
        "named beforehand": test[0],
        "by test": best(test, test),
        "by validation, tested on new seeds": best(validation, new),
        "by validation, same seeds": best(validation, test),
    }
    for correlation in (1.0, 0.0):
        seeds = gains(generator, shape, n, correlation)
        found[f"the same, correlation {correlation:.0f}"] = best(
            measured(generator, seeds), measured(generator, seeds)
        )
    return found


def best(selecting: Values, tested: Values) -> Values:
    row: Values = tested[selecting.mean(1).argmax()]
    return row


def measured(generator: np.random.Generator, seeds: Values) -> Values:
    return seeds + generator.normal(size=seeds.shape)
