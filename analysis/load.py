"""From run directories to one table: a row a run.

runs = load([Path("outputs/sweeps/NAME")])
runs[["optimizer_lr", "seed", "start", "gain_over_window_mean_test"]]
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd


class AnalysisError(Exception):
    """Directories that cannot be analysed; the message says why."""


def load(directories: Iterable[Path]) -> pd.DataFrame:
    """One row for each run found below `directories`.

    Columns: directory, status (finished, failed, unfinished), reason; and for finished runs
    dataset, model, optimizer_lr, seed, start, end, count, scheme, fingerprint, test_key, accuracies
    (fractions) `<what>_<split>` and gains (fractions) `gain_over_<what>_<split>`.
    Raises AnalysisError where a directory is missing or has no runs.
    """
    rows = []
    for directory in directories:
        if not directory.is_dir():
            raise AnalysisError(f"{directory}: there is no such directory")
        found = sorted({path.parent for path in directory.rglob("claim.json")})
        if not found:
            raise AnalysisError(f"{directory}: no run of train.py is in here")
        rows += [_row(run) for run in found]
    return pd.DataFrame(rows).drop_duplicates("directory")


def measurements(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished runs, each measurement once: runs that share trajectory, evaluation, window and
    scheme are one."""
    finished = runs[runs["status"] == "finished"]
    if finished.empty:
        return finished
    return finished.drop_duplicates(["fingerprint", "test_key", "start", "end", "scheme"])


def _row(run: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"directory": str(run), "status": "unfinished", "reason": ""}
    try:
        if (run / "summary.json").exists():
            return row | {"status": "finished"} | _finished(_read(run / "summary.json"))
        if (run / "failure.json").exists():
            failure = _read(run / "failure.json")
            return row | {"status": "failed", "reason": failure["reason"]}
    except (ValueError, KeyError, TypeError) as error:
        return row | {"status": "failed", "reason": f"unreadable: {error!r}"}
    return row


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _settings(config: dict[str, Any]) -> str:
    """All that was configured but seed, window, learning rate and where it ran: runs are pooled
    only where it is the same."""
    kept = {
        key: value
        for key, value in config.items()
        if key not in ("seed", "averaging", "paths", "name")
    }
    kept["optimizer"] = {key: value for key, value in config["optimizer"].items() if key != "lr"}
    kept["training"] = {
        key: value
        for key, value in config.get("training", {}).items()
        if key not in ("device", "threads")
    }
    return json.dumps(kept, sort_keys=True)


def _finished(summary: dict[str, Any]) -> dict[str, Any]:
    config, window = summary["config"], summary["window"]
    row = {
        "dataset": summary["dataset"]["name"],
        "synthetic": summary["dataset"]["synthetic"],
        "training_images": summary["dataset"]["sizes"]["train"],
        "test_images": summary["dataset"]["sizes"]["test"],
        "model": config["model"]["_target_"].rpartition(".")[2],
        "optimizer": config["optimizer"]["_target_"].rpartition(".")[2],
        "optimizer_lr": config["optimizer"]["lr"],
        "seed": config["seed"],
        "settings": _settings(config),
        "start": window["start"],
        "end": window["end"],
        "count": window["count"],
        "scheme": summary["scheme"],
        "fingerprint": summary["fingerprint"],
        "test_key": summary["evaluation_keys"]["test"],
    }
    for what, by_split in summary["results"].items():
        for split in ("validation", "test"):
            if by_split and split in by_split:
                row[f"{what}_{split}"] = by_split[split]["accuracy"]
    for what, gains in summary["gains"].items():
        row |= {f"gain_{what}_{split}": gain for split, gain in gains.items()}
    return row
