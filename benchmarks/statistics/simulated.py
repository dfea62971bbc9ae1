"""Seeds' simulated effects, and shares of simulations."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

SEEDS = (3, 6, 10)
"""Numbers of seeds, n."""
SHAPES = ("normal", "skewed")
"""Of the seeds' effects; skewed: exponential."""

Values = npt.NDArray[np.float64]


def effects(generator: np.random.Generator, shape: str, size: int | tuple[int, ...]) -> Values:
    """Of mean 0 and standard deviation 1."""
    if shape == "normal":
        return generator.normal(size=size)
    return generator.exponential(size=size) - 1


def significant(p: float | None) -> bool:
    """At 5 %; no test finds nothing."""
    return p is not None and p <= 0.05


def share(hits: Iterable[bool]) -> str:
    """In percent, with its standard error."""
    found = np.array(list(hits), dtype=np.float64)
    percent = 100 * found.mean()
    return f"{percent:.1f} ± {np.sqrt(percent * (100 - percent) / len(found)):.1f}"
