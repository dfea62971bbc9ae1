"""Better, worse, equivalent or undecided: a mean of paired differences beside a margin.

conclusion([0.0003, -0.0002, 0.0001], margin=0.005).kind   # "equivalent"

The margin is the smallest difference that would matter, as a fraction. It is specified before the
results are seen.
"""

from dataclasses import dataclass
from typing import Literal

from scipy import stats

from analysis.statistics.intervals import Interval, t_interval
from analysis.statistics.minimum_detectable_effect import minimum_detectable_effect_over_seeds
from analysis.statistics.values import Values, check, finite

Kind = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True)
class Equivalence:
    """The larger p of the two one-sided tests, and the interval that lies within the margin where
    it is at most 1 - level."""

    p: float
    low: float
    high: float


@dataclass(frozen=True)
class Conclusion:
    """What the values say, and from what.

    kind            see `conclusion`
    within_margin   whether the mean is shown to be nearer to 0 than the margin: always where
                    "equivalent", never where "undecided", and beside "better" or "worse" where the
                    difference is shown to exist and to be too small to matter
    reason          why there is no test: "one value", "identical values"; else None
    interval        Student's t interval of the mean at the level
    equivalence     of the two one-sided tests; None where there is no test
    detectable      smallest true mean that so many values detect with 80 % power, at their own sd:
                    what "undecided" leaves open; None where there is no test
    """

    kind: Kind
    within_margin: bool
    reason: Literal["one value", "identical values"] | None
    interval: Interval
    equivalence: Equivalence | None
    detectable: float | None


def equivalence(values: Values, margin: float, level: float = 0.95) -> Equivalence | None:
    """Two one-sided t tests (TOST) that the mean of `values` [n], paired differences as fractions,
    is nearer to 0 than `margin` (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics
    15:657-680): p at most 1 - level where the interval at 2 level - 1 (90 % for 95 %) lies within
    -margin..margin.

    None for fewer than two values and for identical ones. Raises ValueError for a margin outside
    (0, 1], a level outside (0.5, 1) and values that aren't finite.
    """
    _check_margin(margin, level)
    given = finite(values)
    interval = t_interval(given, 2 * level - 1) if given.size else None
    if interval is None or interval.low is None or interval.high is None:
        return None
    above = stats.ttest_1samp(given, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(given, margin, alternative="less").pvalue
    return Equivalence(float(max(above, below)), interval.low, interval.high)


def conclusion(values: Values, margin: float, level: float = 0.95) -> Conclusion:
    """What `values` [n], paired differences as fractions, one per seed, say of their true mean.

    better, worse   the t interval at the level lies above, or below, 0
    equivalent      it includes 0, and the two one-sided tests place the mean within the margin
    undecided       neither; or there is no test

    Both a difference and equivalence can be shown at once: many seeds, a tiny gain. That is
    "better" with `within_margin`: the sign is known, and the size too small to matter (outcome C
    of Lakens, Scheel and Isager 2018, Advances in Methods and Practices in Psychological Science
    1:259-269). An interval that includes 0 alone never means equivalent.

    Each kind is wrong at most so often: better or worse where the true mean is 0, 1 - level;
    within the margin where the true mean is not, 1 - level. Raises ValueError as `equivalence`
    does, and for no values.
    """
    tested = equivalence(values, margin, level)
    interval = t_interval(values, level)
    if tested is None or interval.low is None or interval.high is None or interval.sd is None:
        reason: Literal["one value", "identical values"] = (
            "one value" if interval.n == 1 else "identical values"
        )
        return Conclusion("undecided", False, reason, interval, None, None)
    within = tested.p <= 1 - level
    kind: Kind = "equivalent" if within else "undecided"
    if interval.low > 0 or interval.high < 0:
        kind = "better" if interval.low > 0 else "worse"
    detectable = minimum_detectable_effect_over_seeds(interval.sd, interval.n, level)
    return Conclusion(kind, within, None, interval, tested, detectable)


def _check_margin(margin: float, level: float) -> None:
    check(level)
    if not 0 < margin <= 1:
        raise ValueError(f"a margin is in (0, 1], a fraction, not {margin}")
    if level <= 0.5:
        raise ValueError(f"a level of two one-sided tests is above 0.5, not {level}")
