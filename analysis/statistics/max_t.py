"""Many candidates over the same seeds: p values adjusted for all of them together.

found = max_t(gains)      # float [candidates, seeds]
found.p, found.smallest   # one adjusted p per candidate; the smallest that so few seeds can give
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.statistics.sign_flip import DRAWS, all_signs, random_signs, smallest_p
from analysis.statistics.values import SAME

EXACT_TO = 12
"""Seeds up to which all 2^n signs are enumerated."""


@dataclass(frozen=True)
class MaxT:
    """Adjusted p per candidate, in the order given, and the smallest p that the number of seeds
    allows: where it is above the level, no candidate can be rejected, whatever the values."""

    p: list[float]
    smallest: float


def max_t(values: npt.ArrayLike, draws: int = DRAWS, seed: int = 0) -> MaxT:
    """Adjusted two-sided p that each candidate's mean is 0, from `values` [candidates, seeds]:
    paired differences, the same seeds in every row. Those at or below a level may be rejected
    together, with that chance of any false rejection.

    Step-down max-T (Westfall and Young 1993, Resampling-Based Multiple Testing; Romano and Wolf
    2005, JASA 100:94-108) by sign flips: a seed's sign is flipped in all candidates at once, so
    that their correlation is kept; that is what it gains over `holm`. Each candidate's statistic is
    |t|, so that noisy ones don't hide the others. It assumes differences symmetric about 0 under
    the null hypothesis.

    Exact for n <= `EXACT_TO` seeds; beyond, of `draws` random signs with those observed counted
    among them. Raises ValueError for values that aren't finite or not [candidates, seeds], both
    at least 1, and for draws < 1.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 2 or 0 in given.shape or not np.isfinite(given).all():
        raise ValueError(
            f"expected finite numbers [candidates, seeds], not {list(given.shape)} with "
            f"{np.count_nonzero(~np.isfinite(given))} that aren't finite"
        )
    if draws < 1:
        raise ValueError(f"a test by draws needs at least one, not {draws}")
    n = given.shape[1]
    exact = n <= EXACT_TO
    # |sum| / root of the sum of squares grows with |t|, is in [0, sqrt(n)], and flips don't change
    # its denominator: no division by a spread of 0.
    lengths = np.sqrt((given**2).sum(1))
    scaled = given / np.where(lengths > SAME, lengths, np.inf)[:, None]
    observed = np.abs(scaled.sum(1))
    order = np.argsort(-observed, kind="stable")
    signs = all_signs(n) if exact else random_signs(n, draws, seed)
    flipped = np.abs(signs @ scaled[order].T)
    # Column k: the largest statistic of the candidates no more significant than the k-th.
    largest = np.maximum.accumulate(flipped[:, ::-1], axis=1)[:, ::-1]
    extreme = (largest >= observed[order] - n * SAME).sum(0)
    shares = extreme / len(signs) if exact else (extreme + 1) / (draws + 1)
    adjusted = np.empty(len(given))
    adjusted[order] = np.maximum.accumulate(shares)
    return MaxT(adjusted.tolist(), smallest_p(n, EXACT_TO, draws))
