"""The mean of n paired differences: t test, sign-flip test, equivalence, detectable effect."""

import numpy as np

from analysis.statistics.equivalence import equivalence
from analysis.statistics.minimum_detectable_effect import minimum_detectable_effect_over_seeds
from analysis.statistics.sign_flip import sign_flip_test
from analysis.statistics.significance import t_test
from benchmarks.statistics.simulated import SEEDS, SHAPES, Values, effects, share, significant
from benchmarks.table import Section

MARGIN = 4.0
"""In standard deviations of the differences."""


def table(simulations: int) -> Section:
    generator = np.random.default_rng(1)
    rows = []
    for shape in SHAPES:
        for n in SEEDS:
            values = effects(generator, shape, (simulations, n))
            detectable = minimum_detectable_effect_over_seeds(1.0, n)
            assert detectable is not None
            rows.append(
                [
                    shape,
                    str(n),
                    share(significant(t_test(row)) for row in values),
                    share(significant(sign_flip_test(row)) for row in values),
                    *(share(equivalent(row) for row in values + MARGIN * at) for at in (1, -1)),
                    share(significant(t_test(row)) for row in values + detectable),
                ]
            )
    head = ["differences", "n", "t test, mean 0", "sign flips, mean 0"]
    head += ["equivalent, mean +margin", "equivalent, mean -margin", "t test, mean detectable"]
    return Section(
        "One comparison: p at most 0.05, % of simulations (right: 5, 5 or less, 5, 5, 80).",
        head,
        rows,
        f"{simulations:,} simulations per cell; the margin is {MARGIN:.0f} standard deviations.",
    )


def equivalent(values: Values) -> bool:
    # A wide margin, so that one of the two tests decides: the level is then exact, else lower.
    found = equivalence(values / 100, MARGIN / 100)
    return found is not None and significant(found.p)
