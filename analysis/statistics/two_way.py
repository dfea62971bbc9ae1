"""One interval over seeds and images together: how a difference would come out with new
trajectories and new test images.

differences = average_correct.astype(float) - last_correct   # [seeds, images], -1, 0 or 1
found = two_way_interval(differences)
found.mean, found.low, found.high, found.share_seeds, found.share_images
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.statistics.values import check, identical


@dataclass(frozen=True)
class TwoWay:
    """A mean over seeds and images, its interval, and the shares of the mean's estimated variance
    that more seeds alone, and that more images alone, would reduce; the rest is reduced by either.
    None where the differences don't determine them."""

    seeds: int
    images: int
    mean: float
    low: float | None
    high: float | None
    share_seeds: float | None
    share_images: float | None


def two_way_interval(differences: npt.ArrayLike, level: float = 0.95) -> TwoWay:
    """Interval of the mean of `differences` [seeds, images], in their unit (fractions for -1, 0
    and 1; nats for log losses), all seeds on the same images, for new seeds and new images.

    The model is mean + seed + image + residual, its variances by the method of moments (crossed
    analysis of variance; Searle, Casella and McCulloch 1992, Variance Components, chapter 4). With
    V_seeds = MS_seeds / (n N), which is the squared standard error of Student's t interval over
    the seeds, and V_images = max(MS_images - MS_residual, 0) / (n N), the half width is

        sqrt(t(n - 1)^2 V_seeds + t(N - 1)^2 V_images)

    of Banerjee (1960, Sankhya 22:357-358), which holds its level for any ratio of the two variances
    and never lies inside the t interval. Simulated, nominal 95 %, at 3 seeds, 500 images and
    normal effects of seeds: it holds the mean 95 to 98 times in 100, whatever varies.
    Satterthwaite's degrees of freedom for the same variance hold it 92 times where both seeds and
    images vary. The pigeonhole bootstrap (Owen 2007, Annals of Applied Statistics 1:386-411), which
    draws seeds and images independently, 100 times where neither dominates, since it counts the
    residual three times, and 88 to 91 where seeds vary; with its variance corrected, 91 to 97. All
    fall short with skewed effects of seeds, this one to 93. For 6 and 10 seeds, and 2,000 images:
    docs/analysis.md, by `python -m benchmarks.statistics`.

    No interval for one seed, for one image, and where all seeds have the same mean (`t_interval`
    says why). Shares from few seeds are rough. Raises ValueError for differences that aren't finite
    or not [seeds, images], both at least 1, and for a level outside (0, 1).
    """
    check(level)
    given = np.asarray(differences, dtype=np.float64)
    if given.ndim != 2 or 0 in given.shape or not np.isfinite(given).all():
        raise ValueError(
            f"expected finite numbers [seeds, images], not {list(given.shape)} with "
            f"{np.count_nonzero(~np.isfinite(given))} that aren't finite"
        )
    n, images = given.shape
    mean, by_seed = float(given.mean()), given.mean(1)
    if n == 1 or images == 1 or identical(by_seed):
        return TwoWay(n, images, mean, None, None, None, None)
    of_seeds, of_images, residual = mean_squares(given)
    # In units of the mean's variance, from here on.
    seeds, image, rest = (square / given.size for square in (of_seeds, of_images, residual))
    alone_seeds, alone_images = max(seeds - rest, 0.0), max(image - rest, 0.0)
    t_seeds, t_images = stats.t.ppf((1 + level) / 2, [n - 1, images - 1])
    half = math.sqrt(t_seeds**2 * seeds + t_images**2 * alone_images)
    total = alone_seeds + alone_images + rest
    return TwoWay(
        n, images, mean, mean - half, mean + half, alone_seeds / total, alone_images / total
    )


def mean_squares(given: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Of seeds, of images and of the residual, of finite [seeds, images], both at least 2."""
    n, images = given.shape
    centred = given - given.mean()
    by_seed, by_image = centred.mean(1), centred.mean(0)
    of_seeds = images * float(by_seed @ by_seed)
    of_images = n * float(by_image @ by_image)
    rest = centred - by_seed[:, None] - by_image
    residual = float(np.vdot(rest, rest))
    return of_seeds / (n - 1), of_images / (images - 1), residual / ((n - 1) * (images - 1))
