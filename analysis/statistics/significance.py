"""Tests over seeds and over images, and their adjustment for multiple testing.

mcnemar(average_predictions == labels, last_predictions == labels)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.statistics.values import Values, finite, identical


@dataclass(frozen=True)
class McNemar:
    """Numbers of images on which only the first, only the second model is right, and the p."""

    only_first: int
    only_second: int
    p: float


def t_test(values: Values) -> float | None:
    """Two-sided p that the mean of `values` [n] is 0 (scipy.stats.ttest_1samp); None for fewer than
    two values and for identical ones. Raises ValueError for values that aren't finite."""
    given = finite(values)
    if identical(given):
        return None
    return float(stats.ttest_1samp(given, 0.0).pvalue)


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
    bool [N] each (McNemar 1947; scipy.stats.binomtest on the images where exactly one is right).

    It generalises to new images for these two sets of weights, not to new trajectories. p is 1
    where the models are right on the same images. Raises ValueError for arrays that aren't bool
    [N], N the same.
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
