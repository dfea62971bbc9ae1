"""What runs say of themselves, computed again from their stored predictions.

    for line in disagreements(Path("outputs/runs/NAME")):
        print(line)

summary.json and metrics.csv are numbers that anyone can change; predictions/ has the logits that
they were computed from.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.read.directories import AnalysisError
from analysis.read.predictions import Predictions
from polyak.errors import PolyakError
from polyak.evaluation.scores import Scores, scores
from polyak.records import metrics
from polyak.records.summary import Summary, flat
from polyak.runs.metrics import SHORT
from polyak.store import paths

TOLERANCE = 1e-9
"""What the sums of another processor may differ by."""

_scores_of: dict[tuple[object, ...], Scores] = {}
"""By the file of logits and the labels: the runs of a sweep have links to the same files."""


def disagreements(run: Path) -> Iterator[str]:
    """A line for each number of a finished run that its predictions give otherwise: all `results`
    and `gains` of summary.json, and each epoch's loss and accuracy in metrics.csv; and one where
    they can't be computed again."""
    try:
        summary = Summary.read(run)
        if summary.primary != "accuracy":
            yield f"{run}: its {summary.primary} can't be computed again: no predictions give it"
            return
        stored = {split: Predictions(run, split) for split in summary.evaluation_keys}
        epochs = {
            split: [_scores(run, split, those, epoch) for epoch in range(summary.epochs)]
            for split, those in stored.items()
        }
        yield from _differing(
            f"{run}: summary.json",
            flat(summary.model_dump(include={"results": True, "gains": True})),
            flat(_summarised(run, summary, stored, epochs)),
        )
        found = metrics.read(run / metrics.TABLE.name)
        if found.problem:
            yield f"{run}: metrics.csv: {found.problem}"
        yield from _differing(f"{run}: metrics.csv", _rows(found), _columns(epochs))
    except PolyakError as error:
        yield str(error)


def _differing(
    what: str, said: Mapping[str, float | None], found: Mapping[str, float]
) -> Iterator[str]:
    for key, number in found.items():
        given = said.get(key)
        if given is None:
            yield f"{what}: no {key}; by predictions/: {number:.10g}"
        elif not math.isclose(given, number, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{what}: {key} = {given:.10g}; by predictions/: {number:.10g}"


def _summarised(
    run: Path,
    summary: Summary,
    stored: Mapping[str, Predictions],
    epochs: Mapping[str, Sequence[Scores]],
) -> dict[str, Any]:
    """`results` and `gains` as summary.json should have them."""
    window, found = summary.window.epochs, dict[str, dict[str, Any]]()
    alone = {"last": window[-1]} | {
        name: max(range(summary.epochs), key=lambda epoch: epochs[split][epoch].accuracy)
        for name, split in (("best_by_validation", "validation"), ("best_by_test_oracle", "test"))
        if split in epochs
    }
    for name, epoch in alone.items():
        found[name] = {split: each[epoch].by_name for split, each in epochs.items()}
    for split, those in stored.items():
        members = [epochs[split][epoch].by_name for epoch in window]
        mean = {key: math.fsum(one[key] for one in members) / len(members) for key in members[0]}
        ensemble = scores(those.ensemble(window, summary.weights), those.labels)
        of_split = {"window_mean": mean, "ensemble": ensemble.by_name}
        for name in ("average", "last_refreshed"):
            if summary.results.get(name) is not None:
                of_split[name] = _scores(run, split, those, name).by_name
        for name, one in of_split.items():
            found.setdefault(name, {})[split] = one
    gains = {
        f"over_{name}": {
            split: found["average"][split]["accuracy"] - one["accuracy"]
            for split, one in result.items()
        }
        for name, result in found.items()
        if name != "average" and "average" in found
    }
    if "last_refreshed" in found:
        alone["last_refreshed"] = window[-1]
    return {"results": found, "gains": gains} | {
        f"results.{name}": {"epoch": epoch} for name, epoch in alone.items()
    }


def _rows(found: metrics.Metrics) -> dict[str, float | None]:
    names = [f"{short}_{what}" for short in SHORT.values() for what in ("loss", "accuracy")]
    return {
        f"{name} of epoch {epoch}": None if math.isnan(value) else value
        for name in names
        for epoch, value in zip(found.columns["epoch"], found.columns[name], strict=True)
    }


def _columns(epochs: Mapping[str, Sequence[Scores]]) -> dict[str, float]:
    return {
        f"{SHORT[split]}_{what} of epoch {epoch}": getattr(one, what)
        for split, each in epochs.items()
        for epoch, one in enumerate(each)
        for what in ("loss", "accuracy")
    }


def _scores(run: Path, split: str, stored: Predictions, what: Any) -> Scores:
    path = paths.predictions(run, split, what)
    try:
        status = os.stat(path)
    except OSError as error:
        raise AnalysisError(f"{path}: can't be read ({error.strerror})") from error
    file = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    key = (*file, hash(stored.labels.tobytes()))
    if key not in _scores_of:
        _scores_of[key] = stored.scores(what)
    return _scores_of[key]
