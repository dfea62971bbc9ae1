"""python -m analysis DIRECTORY [...]: tables and figures of sweeps or runs, from their files.

Writes runs.csv and gain_by_start.png into the first directory's analysis/ and prints a table.
"""

import argparse
import sys
from pathlib import Path

from analysis import figures, tables
from analysis.load import AnalysisError, load, measurements


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 with one message where the directories can't be analysed."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        description="Tables and figures of sweeps or runs, from their files.",
    )
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIRECTORY")
    parser.add_argument("--out", type=Path, help="default: the first DIRECTORY's analysis/")
    options = parser.parse_args(arguments)
    out = options.out or options.directories[0] / "analysis"
    try:
        runs = load(options.directories)
        measured = measurements(runs)
        out.mkdir(parents=True, exist_ok=True)
        runs.to_csv(out / "runs.csv", index=False)
        print(tables.text(runs, measured))
        if measured.empty:
            raise AnalysisError("no run has finished yet: there is nothing to draw")
        figures.gain_by_start(measured, out / "gain_by_start.png")
    except AnalysisError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\nwritten: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
