"""How often the statistics of the analysis are right: coverage and error rates, simulated.

    python -m benchmarks.statistics           minutes; what docs/analysis.md gives
    python -m benchmarks.statistics --quick   seconds, with large standard errors

Prints one Markdown table per question. The same versions print the same numbers.
"""

import argparse
import time
from collections.abc import Callable

from benchmarks.statistics import candidates, groups, one_comparison, two_way
from benchmarks.table import Section


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the simulations")
    less = 50 if parser.parse_args().quick else 1
    tables: list[Callable[[], Section]] = [
        lambda: one_comparison.table(2000 // less),
        lambda: candidates.selection_table(1500 // less),
        lambda: candidates.adjusted_table(400 // less),
        lambda: two_way.table(1500 // less, 400 // less),
        lambda: groups.table(500 // less),
    ]
    began = time.monotonic()
    for make in tables:
        table = make()
        print(f"**{table.title}** {table.text}\n", flush=True)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
