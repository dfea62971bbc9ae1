"""From directories of runs to tables: one row per run, one row per epoch.

    loaded = load([Path("outputs/sweeps/NAME")])
    loaded.runs[["learning_rate", "seed", "start", "average_test_accuracy"]]
    loaded.epochs[["run", "epoch", "test_accuracy"]]

docs/files.md describes the files that runs leave; docs/analysis.md the tables.
"""

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from analysis.read import epoch_table, summary_row
from analysis.read.directories import AnalysisError, expected, find, first_line
from analysis.wording import count
from polyak.errors import PolyakError
from polyak.runs.summary import Summary

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
            commands += [command] if command else []
            notes += [problem] if problem else []
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
            text = (Path(directory) / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")
            yield tuple(str(one) for one in yaml.safe_load(text))
        except (OSError, ValueError, TypeError, yaml.YAMLError):
            continue  # the summary's configuration still says what ran


_CORRUPTED = (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError)
"""What reading a corrupted file raises."""


def _row(run: Path) -> dict[str, Any]:
    metrics = run / "metrics.csv"
    row: dict[str, Any] = {
        "status": "unfinished",
        "reason": "",
        "sweep": str(run.parent) if (run.parent / "multirun.yaml").exists() else None,
        "metrics": epoch_table.read(metrics),
    }
    try:
        if (run / "summary.json").exists():
            return row | summary_row.finished(Summary.read(run))
        row |= _planned(run)
        if (run / "failure.json").exists():
            failure = _json(run / "failure.json")
            reason = summary_row.text(f"{failure['stage']}: {failure['reason']}")
            return row | {"status": "failed", "reason": reason}
    except (PolyakError, AnalysisError) as error:
        reason = summary_row.text(str(error).removeprefix(f"{run}/"))
        return row | _planned(run) | {"status": "unusable", "reason": reason}
    except _CORRUPTED as error:
        return row | {"status": "unusable", "reason": f"unreadable: {first_line(error)}"}
    return row | {"reason": _unfinished(run, len(row["metrics"].rows))}


def _unfinished(run: Path, done: int) -> str:
    try:
        claim = _json(run / "claim.json")
        here = claim["host"] == platform.node()
        gone = here and not Path(f"/proc/{int(claim['process'])}").exists() and _has_proc()
    except (OSError, ValueError, KeyError, TypeError):
        gone = False
    state = "its process ended without writing a result" if gone else "running or killed"
    return f"{state}; {count(done, 'epoch')} so far"


def _has_proc() -> bool:
    return Path("/proc/self").exists()


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _planned(run: Path) -> dict[str, Any]:
    """The columns of a run without a summary, from its composed configuration: none where that is
    incomplete, as a killed run may leave it."""
    try:
        text = (run / ".hydra" / "config.yaml").read_text(encoding="utf-8")
        return summary_row.configured(
            yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        )
    except _CORRUPTED:
        return {}
