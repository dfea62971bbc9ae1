"""Finished runs in or below a directory.

found = finished(Path("outputs/sweeps/NAME"))
found.runs, found.failed, found.unfinished
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from polyak.errors import PolyakError
from polyak.records import summary


@dataclass(frozen=True)
class Found:
    """Directories of runs with a summary.json, with a failure.json instead, and of those that have
    only begun; in order."""

    runs: list[Path] = field(default_factory=list)
    failed: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)


def finished(directory: Path) -> Found:
    """Those of a run, or of a sweep or folder of runs; links are not followed. Raises PolyakError
    where there is none."""
    if not directory.is_dir():
        what = "is no directory" if directory.exists() else "there is no such directory"
        raise PolyakError(f"{directory}: {what}; give that of a run or sweep")
    found = Found()
    for folder, folders, names in os.walk(directory):
        folders.sort()
        if summary.NAME in names or "claim.json" in names:
            of = found.failed if "failure.json" in names else found.unfinished
            (found.runs if summary.NAME in names else of).append(Path(folder))
            folders.clear()
    if not found.runs:
        others = {"failed": found.failed, "unfinished": found.unfinished}
        counts = ", ".join(f"{len(those)} {what}" for what, those in others.items() if those)
        only = f", only {counts}" if counts else ""
        raise PolyakError(f"{directory}: has no finished run{only}; give that of a run or sweep")
    return found
