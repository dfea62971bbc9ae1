"""Shares of simulations, and the tables that show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SEEDS = (3, 6, 10)
"""Numbers of seeds, n."""
SHAPES = ("normal", "skewed")
"""Of the seeds' effects; skewed: exponential."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A title, column names, rows of cells and the number of simulations behind each cell."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    simulations: str

    def markdown(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"**{self.title}** {self.simulations}\n\n{body}\n"


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
