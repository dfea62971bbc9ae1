"""From directories of runs to tables: one row per run, one row per epoch.

    loaded = load([Path("outputs/sweeps/NAME")])
    loaded.runs[["learning_rate", "seed", "start", "average_test_accuracy"]]
    loaded.epochs[["run", "epoch", "test_accuracy"]]

docs/files.md describes the files that runs leave; docs/analysis.md the tables.
"""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.read import epoch_table, summary_row
from analysis.read.directories import expected, find
from analysis.wording import count
from polyak.errors import PolyakError
from polyak.records import hydra, metrics
from polyak.records.claim import Claim
from polyak.records.failure import Failure
from polyak.records.summary import Summary

STATUSES = ("finished", "failed", "unfinished", "missing", "unusable")
"""Missing: a point of the sweep that has no directory yet. Unusable: the run ended, but its results
are missing or not finite."""


@dataclass(frozen=True)
class Loaded:
    """All runs (docs/analysis.md has the columns), their epochs, the commands that started them,
    and notes on files that could not be read in full."""

    runs: pd.DataFrame
    epochs: pd.DataFrame
    commands: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def load(directories: Sequence[Path]) -> Loaded:
    """Read all runs in or below `directories`, each once.

    Raises AnalysisError where a directory is missing, can't be read or has no run in it.
    """
    rows: dict[Path, dict[str, Any]] = {}
    commands: list[tuple[str, ...]] = []
    notes: list[str] = []
    for directory in directories:
        found = find(directory)
        notes += found.problems

        def name(path: Path, above: Path = directory) -> dict[str, str]:
            shown = path.relative_to(above) if path != above else path.name
            if len(directories) > 1:
                shown = path  # other directories may have a run of that name
            return {"run": summary_row.text(shown), "directory": str(path)}

        for path in found.runs:
            if path.resolve() not in rows:
                rows[path.resolve()] = {**name(path), **_row(path)}
        for path in found.sweeps:
            points, command, problem = expected(path)
            commands += [tuple(map(summary_row.text, command))] if command else []
            notes += [summary_row.text(problem)] if problem else []
            for point in points:
                rows.setdefault(
                    (path / point).resolve(),
                    {
                        **name(path / point),
                        **{"status": "missing", "reason": "not begun", "sweep": str(path)},
                    },
                )
    table = pd.DataFrame(rows.values())
    table = table.astype(dict.fromkeys(summary_row.whole_numbers(table), "Int64"))
    stacked, problems = epoch_table.stack(table)
    commands += _commands_of_runs(table)
    return Loaded(
        table.drop(columns="metrics"),
        stacked,
        tuple(dict.fromkeys(commands)),
        tuple(dict.fromkeys([*notes, *problems])),
    )


def _commands_of_runs(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """The overrides of runs that belong to no sweep."""
    for directory in table.loc[table["sweep"].isna(), "directory"]:
        try:
            yield tuple(map(summary_row.text, hydra.overrides(Path(directory))))
        except (FileNotFoundError, PolyakError):
            continue  # the summary's configuration still says what ran


def _row(run: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "status": "unfinished",
        "reason": "",
        "sweep": str(run.parent) if (run.parent / "multirun.yaml").exists() else None,
        "metrics": metrics.read(run / "metrics.csv"),
    }
    try:
        if (run / "summary.json").exists():
            return row | summary_row.finished(Summary.read(run))
        row |= _planned(run)
        failure = Failure.read(run)
        reason = summary_row.text(f"{failure.stage}: {failure.reason}")
        return row | {"status": "failed", "reason": reason}
    except FileNotFoundError:
        return row | {"reason": _unfinished(run, len(row["metrics"]))}
    except PolyakError as error:
        reason = summary_row.text(str(error).removeprefix(f"{run}/"))
        return row | _planned(run) | {"status": "unusable", "reason": reason}


def _unfinished(run: Path, done: int) -> str:
    claim = Claim.of(run)
    gone = (
        claim is not None
        and claim.host == platform.node()
        and Path("/proc/self").exists()
        and not Path(f"/proc/{claim.process}").exists()
    )
    state = "its process ended without writing a result" if gone else "running or killed"
    return f"{state}; {count(done, 'epoch')} so far"


def _planned(run: Path) -> dict[str, Any]:
    """The columns of a run without a summary, from its composed configuration: none where that is
    incomplete, as a killed run may leave it."""
    try:
        return summary_row.configured(hydra.config(run))
    except (FileNotFoundError, PolyakError):
        return {}
