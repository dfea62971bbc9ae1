"""How far apart a finished run's checkpoints lie, from each other and from its average.

    python src/distances.py outputs/runs/NAME

Writes distances.csv into the run's directory: Euclidean distance and cosine of the weights of each
two epochs, and of each epoch and the average. Needs the run's files alone, no images.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from polyak import files
from polyak.errors import PolyakError
from polyak.weights import distances


def epochs_and_window(run: Path) -> tuple[int, range]:
    """How many epochs a run trained, and those that it averaged.

    From summary.json alone: a run whose images have been moved away is as good. Raises PolyakError
    where it can't be read.
    """
    path = run / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        window = summary["window"]
        return int(summary["config"]["training"]["epochs"]), range(window["start"], window["end"])
    except (FileNotFoundError, NotADirectoryError):
        raise PolyakError(f"{run}: not a finished run, it has no summary.json") from None
    except (ValueError, KeyError, TypeError) as error:
        raise PolyakError(f"{path}: can't be read ({error})") from error


def main(argv: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a finished run's directory")
    run: Path = parser.parse_args(argv).run
    target = run / "distances.csv"
    try:
        epochs, window = epochs_and_window(run)
        rows = distances.between(
            {epoch: files.epoch_file(run / "checkpoints", epoch) for epoch in range(epochs)},
            run / "averaged.safetensors",
        )
        distances.write(target, rows)
    except (PolyakError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"{report(rows, window)}\n{target}")


def report(rows: Sequence[distances.Row], window: range) -> str:
    """What a person wants to know of them: mean ± standard deviation over the pairs."""
    epochs = f"epochs {window.start}..{window.stop - 1}"
    groups = {
        "consecutive checkpoints": [row for row in rows if row.second == row.first + 1],
        f"pairs of {epochs}": [row for row in rows if row.first in window and row.second in window],
        f"{epochs} to the average": [
            row for row in rows if row.first in window and row.second == distances.AVERAGE
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


if __name__ == "__main__":
    torch.set_num_threads(1)  # little work a call: threads wait for each other on a busy machine
    main()
