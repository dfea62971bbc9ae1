"""From directories of runs to tables: a row a run, a row an epoch. Files are read, nothing else.

    loaded = load([Path("outputs/sweeps/NAME")])
    loaded.runs[["learning_rate", "seed", "start", "average_test_accuracy"]]
    loaded.epochs[["run", "epoch", "test_accuracy"]]

docs/files.md describes the files that runs leave; docs/analysis.md the tables.
"""

import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from analysis import epochs, summary
from polyak import sweep

STATUSES = ("finished", "failed", "unfinished", "missing", "unusable")
"""What a run can be. Missing: a point of the sweep that has no directory yet. Unusable: it ended,
but its numbers are not there or not finite."""


WHOLE_NUMBERS = (
    *("seed", "epochs", "start", "end", "count"),
    *("train_images", "validation_images", "test_images"),
    *("last_epoch", "best_by_validation_epoch", "best_by_test_oracle_epoch"),
)


class AnalysisError(Exception):
    """Directories that cannot be analysed; the message says why."""


@dataclass(frozen=True)
class Loaded:
    """All runs (docs/analysis.md has the columns), their epochs, the commands that started them,
    and what a reader of any result must know about the files."""

    runs: pd.DataFrame
    epochs: pd.DataFrame
    commands: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def load(directories: Iterable[Path]) -> Loaded:
    """Read all runs in or below `directories`, each once.

    Raises AnalysisError where a directory is missing, can't be read or has no run in it.
    """
    rows: dict[Path, dict[str, Any]] = {}
    commands: list[tuple[str, ...]] = []
    notes: list[str] = []
    for directory in directories:
        if not directory.is_dir():
            raise AnalysisError(f"{directory}: there is no such directory")
        sweeps, runs = _find(directory)
        for path in runs:
            place = path.resolve()
            if place not in rows:
                name = path.name if path == directory else str(path.relative_to(directory))
                rows[place] = {"run": name, "directory": str(path), **_row(path)}
        for path in sweeps:
            expected, begun, problem = _expected(path)
            commands += [begun] if begun else []
            notes += [problem] if problem else []
            for name in expected:
                place = (path / name).resolve()
                relative = str((path / name).relative_to(directory))
                rows.setdefault(
                    place,
                    {
                        "run": relative,
                        "directory": str(path / name),
                        "status": "missing",
                        "reason": "not begun",
                        "sweep": str(path),
                    },
                )
        if not runs:
            empty = "it is empty" if not any(directory.iterdir()) else "no run of train.py is in it"
            waiting = f"; {len(rows)} points of a sweep are not begun" if rows else ""
            raise AnalysisError(
                f"{directory}: {empty}{waiting}; give a directory that train.py has made, "
                "say outputs/sweeps/NAME"
            )
    table = pd.DataFrame(rows.values())
    whole = {name: "Int64" for name in WHOLE_NUMBERS if name in table}
    table = table.astype(whole)
    stacked, problems = epochs.stack(table)
    commands += _commands_of_runs(table)
    return Loaded(
        table.drop(columns="metrics"),
        stacked,
        tuple(dict.fromkeys(commands)),
        tuple(dict.fromkeys([*notes, *problems])),
    )


def _find(directory: Path) -> tuple[list[Path], list[Path]]:
    """Sweeps and runs in or below a directory, sorted. A run's own folders are not searched."""
    sweeps, runs = [], []
    for folder, folders, names in os.walk(directory, onerror=_unreadable):
        folders.sort()
        if "multirun.yaml" in names:
            sweeps.append(Path(folder))
        if "claim.json" in names or "summary.json" in names:
            runs.append(Path(folder))
            folders.clear()
    return sweeps, runs


def _unreadable(error: OSError) -> None:
    raise AnalysisError(f"{error.filename}: can't be read ({error.strerror})")


def _expected(path: Path) -> tuple[list[str], tuple[str, ...], str]:
    """Names of the points of a sweep's latest command, that command's overrides, and what is wrong
    with its multirun.yaml."""
    try:
        names, command = sweep.expected(path)
        return names, ("--multirun", *command), ""
    except Exception as error:  # whatever a damaged file makes Hydra's parser say
        return [], (), f"{path / 'multirun.yaml'}: can't be read ({_first_line(error)})"


def _commands_of_runs(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """The overrides of runs that are no sweep's points."""
    for directory in table.loc[table["sweep"].isna(), "directory"]:
        try:
            text = (Path(directory) / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")
            yield tuple(str(one) for one in yaml.safe_load(text))
        except (OSError, ValueError, TypeError, yaml.YAMLError):
            continue  # the summary's configuration still says what ran


def _row(run: Path) -> dict[str, Any]:
    metrics = run / "metrics.csv"
    row: dict[str, Any] = {
        "status": "unfinished",
        "reason": "",
        "sweep": str(run.parent) if (run.parent / "multirun.yaml").exists() else None,
        "metrics": epochs.read(metrics),
    }
    try:
        if (run / "summary.json").exists():
            return row | summary.finished(_json(run / "summary.json"))
        row |= _planned(run)
        if (run / "failure.json").exists():
            failure = _json(run / "failure.json")
            reason = f"{failure['stage']}: {failure['reason']}"
            return row | {"status": "failed", "reason": reason}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return row | {"status": "unusable", "reason": f"unreadable: {_first_line(error)}"}
    return row | {"reason": _unfinished(run, len(row["metrics"].rows))}


def _unfinished(run: Path, done: int) -> str:
    try:
        claim = _json(run / "claim.json")
        here = claim["host"] == platform.node()
        gone = here and not Path(f"/proc/{int(claim['process'])}").exists() and _has_proc()
    except (OSError, ValueError, KeyError, TypeError):
        gone = False
    state = "its process has ended without a word" if gone else "running, or killed"
    return f"{state}; {done} epochs so far"


def _has_proc() -> bool:
    return Path("/proc/self").exists()


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _planned(run: Path) -> dict[str, Any]:
    """What can be said of a run without a summary, from its composed configuration."""
    path = run / ".hydra" / "config.yaml"
    if not path.exists():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    config = yaml.load(path.read_text(encoding="utf-8"), loader)
    return summary.configured(config)
