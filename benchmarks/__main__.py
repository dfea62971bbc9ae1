"""Measure what this project costs, and write docs/performance.md.

    make bench                              all of it, for docs/performance/<machine>.json
    make bench-quick                        once each, in minutes; prints, and writes nothing
    python -m benchmarks --only speed       a part; what else the machine's file has stays

The page has the tables of all machines whose files lie in docs/performance/.
"""

import argparse
from collections.abc import Callable
from functools import partial

from benchmarks import (
    faults,
    growth,
    memory,
    parallel,
    points,
    profile,
    speed,
)
from benchmarks.measure import ROOT
from benchmarks.page import Results, page
from benchmarks.table import Section
from polyak import allocator

DOCS = ROOT / "docs"
TRIED = "\n## Tried"
"""Kept by hand from here on."""


def parts(quick: bool, turns: int) -> dict[str, Callable[[], list[Section]]]:
    """What is measured, by the names that --only takes."""
    few = 1 if quick else turns
    return {
        "speed": partial(speed.sections, few, 640 if quick else 2560),
        "profile": partial(profile.sections, 3 if quick else 30),
        "lightning": partial(_lightning, few, 640 if quick else 3840),
        "points": partial(points.sections, few),
        "faults": partial(faults.sections, few),
        "memory": partial(memory.sections, few),
        "growth": partial(growth.sections, 1 if quick else 5),
        "parallel": partial(parallel.sections, few, *((7, 1) if quick else (10, 2))),
    }


def _lightning(turns: int, images: int) -> list[Section]:
    from benchmarks import beside_lightning  # an extra

    return beside_lightning.sections(turns, images)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="once, and little; print only")
    parser.add_argument("--only", nargs="+", choices=parts(True, 1), metavar="PART")
    parser.add_argument("--turns", type=int, default=3, help="of each part (default: 3)")
    given = parser.parse_args()
    allocator.keep_freed_memory()
    for name, measure in parts(given.quick, given.turns).items():
        if given.only and name not in given.only:
            continue
        found = measure()
        print("\n\n".join(f"## {one.title}\n\n{one.text}" for one in found), flush=True)
        if not given.quick:
            Results.of(found).save(DOCS / "performance")
            target = DOCS / "performance.md"
            _, _, kept = target.read_text().partition(TRIED)
            target.write_text(f"{page(DOCS / 'performance')}{TRIED}{kept}")


if __name__ == "__main__":
    main()
