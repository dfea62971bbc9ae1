"""Runs and sweeps below a directory, and the points that a sweep still lacks.

found = find(Path("outputs/sweeps"))
found.runs, found.sweeps
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from polyak.config import sweep
from polyak.errors import PolyakError

_GIVE = "give a directory that train.py has written, for example outputs/sweeps/NAME"


class AnalysisError(PolyakError):
    """Directories or files that cannot be analysed; the message says which and why."""


@dataclass(frozen=True)
class Found:
    """Directories of runs and of sweeps, in order, and what could not be read."""

    runs: list[Path] = field(default_factory=list)
    sweeps: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find(directory: Path) -> Found:
    """The sweeps and runs in or below `directory`, through links too, each once. A run's own
    folders are not searched. Raises AnalysisError where it is no directory."""
    if not directory.is_dir():
        wrong = "is a file" if directory.exists() else "no such directory"
        raise AnalysisError(f"{directory}: {wrong}; {_GIVE}")
    found, seen = Found(), set()
    for folder, folders, names in os.walk(
        directory,
        onerror=lambda error: found.problems.append(
            f"{error.filename}: can't be read ({error.strerror})"
        ),
        followlinks=True,
    ):
        place = os.path.realpath(folder)
        if place in seen:
            folders.clear()  # a link to where we have been
            continue
        seen.add(place)
        folders.sort()
        if "multirun.yaml" in names:
            found.sweeps.append(Path(folder))
        if "claim.json" in names or "summary.json" in names:
            found.runs.append(Path(folder))
            folders.clear()
    if not found.runs:
        empty = "it has no run of train.py" if any(directory.iterdir()) else "it is empty"
        raise AnalysisError("; ".join([f"{directory}: {empty}", *found.problems, _GIVE]))
    return found


def expected(path: Path) -> tuple[list[str], tuple[str, ...], str]:
    """Names of the points of a sweep's latest command, that command's arguments, and what is wrong
    with its multirun.yaml, or ""."""
    try:
        names, command = sweep.expected(path)
    except (FileNotFoundError, PolyakError) as error:
        return [], (), str(error)
    return names, ("--multirun", *command), ""
