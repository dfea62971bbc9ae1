"""Evaluate every window of a finished run's epochs, and draw the map.

    python src/windows.py outputs/runs/NAME
    python src/windows.py outputs/runs/NAME --starts 0:20:2 --ends 10:21 --splits validation

Writes windows.csv and figures/windows.png into the run's directory. Interrupted, the same command
goes on where it was; windows.csv keeps what is there.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from polyak.config.finished import FinishedRun
from polyak.errors import PolyakError
from polyak.runs import figures, windows


def epochs_of(text: str, most: int) -> list[int]:
    """The numbers of "a:b" or "a:b:step" (b is left out) or "a,b,c". Raises PolyakError."""
    try:
        if ":" in text:
            found = list(range(*(int(part) for part in text.split(":"))))
        else:
            found = [int(part) for part in re.split(",", text)]
    except (ValueError, TypeError):
        raise PolyakError(f"{text}: allowed: a:b, a:b:step or a,b,c") from None
    if not found or min(found) < 0 or max(found) > most:
        raise PolyakError(f"{text}: allowed: from 0 to {most}")
    return found


def main(argv: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a finished run's directory")
    parser.add_argument("--starts", default=None, help="first epochs, a:b or a:b:step or a,b,c")
    parser.add_argument("--ends", default=None, help="ends, one past the last epoch")
    parser.add_argument("--splits", nargs="+", default=None, help="validation, test")
    arguments = parser.parse_args(argv)
    try:
        run = FinishedRun(arguments.run)
        starts = epochs_of(arguments.starts or f"0:{run.epochs}", run.epochs - 1)
        ends = epochs_of(arguments.ends or f"1:{run.epochs + 1}", run.epochs)
        wanted = windows.windows(starts, ends)
        if not wanted:
            raise PolyakError("no window: every start is at or after every end")
        spent = windows.Spent()
        with tqdm(total=len(wanted), unit="window", disable=not sys.stderr.isatty()) as bar:
            rows = windows.complete(
                run,
                run.directory / "windows.csv",
                wanted,
                splits=arguments.splits,
                spent=spent,
                on_window=bar.update,
            )
    except (PolyakError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: the same command goes on")
    window = run.summary["window"]
    target = run.directory / "figures" / "windows.png"
    figures.windows(
        target,
        title=f"{run.data.title}, {len(run.data.train):,} training images, seed {run.config.seed}",
        table=pd.DataFrame(map(asdict, rows)),
        selected=windows.selected(rows),
        configured=(window["start"], window["end"]),
    )
    print(report(rows, spent, (window["start"], window["end"])))
    print(f"{target}\n{run.directory / 'windows.csv'}")


def report(
    rows: Sequence[windows.Row],
    spent: windows.Spent,
    configured: tuple[int, int],
) -> str:
    """What a person wants to know of the windows: accuracies in %."""
    lines = [f"{len({(row.start, row.end) for row in rows})} windows in windows.csv"]
    if total := spent.averaging + spent.evaluation:
        lines[0] += (
            f"; {total:.1f} s now, of which averaging {100 * spent.averaging / total:.0f} %, "
            f"evaluation {100 * spent.evaluation / total:.0f} %"
        )
    named: dict[str, tuple[int, int] | None] = {
        "selected on validation": windows.selected(rows),
        "the run's own": configured,
    }
    for split in sorted({row.split for row in rows}):
        accuracies = {
            (row.start, row.end): 100 * row.accuracy for row in rows if row.split == split
        }
        best = max(accuracies, key=lambda window: accuracies[window])
        oracle = {"best (an oracle)": best} if split == "test" else {}
        for what, window in (named | oracle).items():
            if window in accuracies:
                epochs = f"epochs {window[0]}..{window[1] - 1}"
                lines.append(f"{split:>10}  {accuracies[window]:6.2f} %  {epochs}, {what}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
