"""The average beside the checkpoints it can be compared with.

comparison = compare(records, range(10, 20), average_scores, ensemble_scores)
print(table(comparison, range(10, 20), "uniform"))
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from polyak.evaluation.logits import Scores
from polyak.store.trajectory import EpochRecord


def compare(
    records: Sequence[EpochRecord],
    window: range,
    average: Mapping[str, Scores],
    ensemble: Mapping[str, Scores],
) -> dict[str, Any]:
    """The average beside the checkpoints it can be compared with, and the gains: fractions.

    `records` are those of all epochs, `window` the epochs averaged. For each of average, ensemble
    (of the window's checkpoints), last, window_mean, best_by_validation (None without validation;
    the first of equals) and best_by_test_oracle: {split: {loss, accuracy, calibration_error}}, and
    the epoch where it is one checkpoint. The last is the window's last; the bests are over all
    epochs of the run.
    """
    by_epoch = {record.training.epoch: record for record in records}

    def one(epoch: int) -> dict[str, Any]:
        scores = by_epoch[epoch].scores
        return {"epoch": epoch, **{split: asdict(score) for split, score in scores.items()}}

    def best(split: str) -> int:
        return max(by_epoch, key=lambda epoch: by_epoch[epoch].scores[split].accuracy)

    members = [by_epoch[epoch].scores for epoch in window]
    window_mean = {
        split: {
            what: math.fsum(asdict(scores[split])[what] for scores in members) / len(members)
            for what in asdict(average[split])
        }
        for split in average
    }
    results: dict[str, Any] = {
        "window_mean": window_mean,
        "last": one(window[-1]),
        "best_by_validation": one(best("validation")) if "validation" in average else None,
        "best_by_test_oracle": one(best("test")),
        "ensemble": {split: asdict(score) for split, score in ensemble.items()},
        "average": {split: asdict(score) for split, score in average.items()},
    }
    gains = {
        f"over_{name}": {
            split: asdict(average[split])["accuracy"] - results[name][split]["accuracy"]
            for split in average
        }
        for name in results
        if name != "average" and results[name] is not None
    }
    return {"results": results, "gains": gains}


LABELS = {
    "window_mean": "mean of the window's checkpoints",
    "last": "last checkpoint",
    "best_by_validation": "best checkpoint by validation",
    "best_by_test_oracle": "best checkpoint by test (oracle)",
    "ensemble": "ensemble of the window's checkpoints",
    "average": "average",
}


def table(comparison: Mapping[str, Any], window: range, scheme: str) -> str:
    """`compare`'s numbers for a person: accuracies in %, gains of the average in points."""
    results, gains = comparison["results"], comparison["gains"]
    splits = list(results["average"])
    head = "".join(f"{split:>14}{'gain':>9}" for split in splits)
    lines = [f"{'accuracy in %, gain of the average in points':<46}{head}"]
    for name, label in LABELS.items():
        if results[name] is None:
            continue
        if name == "average":
            label += f" of epochs {window[0]}..{window[-1]} ({scheme})"
        elif "epoch" in results[name]:
            label += f", epoch {results[name]['epoch']}"
        line = f"{label:<46}"
        for split in splits:
            line += f"{100 * results[name][split]['accuracy']:14.2f}"
            gain = gains.get(f"over_{name}", {}).get(split)
            line += f"{'':>9}" if gain is None else f"{100 * gain:+9.2f}"
        lines.append(line.rstrip())
    return "\n".join(lines)
