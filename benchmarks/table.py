"""What is shown of measurements: medians with their spread, ratios within turns, Markdown tables.

spread([1.0, 1.2, 1.1])                              # "1.10 (1.00 to 1.20)"
Section("Training", ["training", "seconds"], [["ours", "53.5"]], note="n = 3 turns.").text
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A table with its title, and what is to be said of its numbers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    @property
    def text(self) -> str:
        """Note and table in Markdown."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"{self.note}\n\n{table}".strip()


def spread(values: Sequence[float], form: str = ",.2f") -> str:
    """Median (smallest to largest)."""
    shown = (format(one, form) for one in (statistics.median(values), min(values), max(values)))
    return "{} ({} to {})".format(*shown)


def quartiles(values: Sequence[float], form: str) -> str:
    """Median (quartiles)."""
    low, middle, high = statistics.quantiles(values) if len(values) > 1 else [*values] * 3
    return f"median {middle:{form}} (quartiles {low:{form}} to {high:{form}}, n = {len(values)})"


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Within each turn."""
    return [one / other for one, other in zip(above, below, strict=True)]
