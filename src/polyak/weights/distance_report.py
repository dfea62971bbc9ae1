"""The distances between checkpoints as a table for a person.

print(report(distances.between(checkpoints, average), window=range(10, 20)))
"""

import statistics
from collections.abc import Iterable, Sequence

from polyak.naming import epochs_of
from polyak.weights.distances import AVERAGE, Row


def report(rows: Sequence[Row], window: range) -> str:
    """Mean ± standard deviation over pairs of checkpoints: consecutive ones, those of the averaged
    `window` of epochs, and each of these with the average."""
    epochs = epochs_of(window)
    groups = {
        "consecutive checkpoints": [row for row in rows if row.second == row.first + 1],
        f"pairs of {epochs}": [row for row in rows if row.first in window and row.second in window],
        f"{epochs} to the average": [
            row for row in rows if row.first in window and row.second == AVERAGE
        ],
    }
    lines = [f"{'mean ± standard deviation':30}{'n':>4}{'distance':>19}{'cosine':>17}"]
    lines[0] += f"{'from the average':>18}"
    for what, found in groups.items():
        columns = [
            f"{_spread((row.distance for row in found), '.4g'):>19}",
            f"{_spread((row.cosine for row in found), '.3f'):>17}",
            f"{_spread((row.displacement_cosine for row in found), '.3f'):>18}",
        ]
        lines.append(f"{what:30}{len(found):4}{''.join(columns)}".rstrip())
    return "\n".join([*lines, "from the average: the cosine of the displacements from it"])


def _spread(values: Iterable[float | None], digits: str) -> str:
    there = [value for value in values if value is not None]
    if len(there) < 2:
        return "".join(format(value, digits) for value in there)
    return f"{statistics.fmean(there):{digits}} ± {statistics.stdev(there):{digits}}"
