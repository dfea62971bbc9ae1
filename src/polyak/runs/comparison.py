"""The average beside the checkpoints it can be compared with.

comparison = compare(records, range(10, 20), average_scores, ensemble_scores)
print(table(comparison, range(10, 20), "uniform"))
"""

import math
from collections.abc import Mapping, Sequence

from polyak.evaluation.metric import ACCURACY, Metric
from polyak.evaluation.scores import Scores, Told
from polyak.naming import epochs_of
from polyak.records.comparison import Comparison, Primary, Result
from polyak.records.part import OF_LOGITS
from polyak.store.record import EpochRecord


def compare(
    records: Sequence[EpochRecord],
    window: range,
    average: Mapping[str, Scores],
    ensemble: Mapping[str, Scores] | None,
    last_refreshed: Mapping[str, Scores] | None = None,
    metric: Metric = ACCURACY,
    directions: Mapping[str, bool] | None = None,
) -> Comparison:
    """The average beside what it can be compared with, and the gains by the primary `metric`:
    fractions, of the accuracy. Of other metrics those are written that `directions` has: whether
    more of each is better.

    `records` are those of all epochs, `window` the epochs averaged. The last is the window's last,
    of a model with batch norm also with refreshed statistics; the bests (the first of equals) are
    over all epochs of the run.
    """
    by_epoch = {record.training.epoch: record.scores for record in records}

    def best(split: str) -> int:
        return max(
            by_epoch, key=lambda epoch: metric.sign * by_epoch[epoch][split].by_name[metric.name]
        )

    members = [by_epoch[epoch] for epoch in window]
    by_validation = best("validation") if "validation" in average else None
    scored: dict[str, tuple[Mapping[str, Scores], int | None] | None] = {
        "window_mean": ({split: _mean(members, split) for split in average}, None),
        "last": (by_epoch[window[-1]], window[-1]),
        **({"last_refreshed": (last_refreshed, window[-1])} if last_refreshed else {}),
        "best_by_validation": None
        if by_validation is None
        else (by_epoch[by_validation], by_validation),
        "best_by_test_oracle": (by_epoch[best("test")], best("test")),
        "ensemble": None if ensemble is None else (ensemble, None),
        "average": (average, None),
    }
    known = dict(directions or {}) | (
        {} if metric.name in OF_LOGITS else {metric.name: metric.higher}
    )
    results = {name: one and _result(*one, known) for name, one in scored.items()}
    gains = {
        f"over_{name}": {
            split: metric.sign * (average[split].by_name[metric.name] - scores.by_name[metric.name])
            for split, scores in result.splits.items()
        }
        for name, result in results.items()
        if name != "average" and result is not None
    }
    primary = None if metric == ACCURACY else Primary(name=metric.name, higher=metric.higher)
    return Comparison(results=results, gains=gains, metric=primary, directions=known)


def _result(scores: Mapping[str, Scores], epoch: int | None, known: Mapping[str, bool]) -> Result:
    found = {}
    for split, score in scores.items():
        own = {name: one for name, one in score.by_name.items() if name in OF_LOGITS}
        others = {name: one for name, one in score.others.items() if name in known}
        found[split] = {**own, "others": others}
    return Result.model_validate({"epoch": epoch, **found})


def _mean(members: Sequence[Mapping[str, Scores]], split: str) -> Scores:
    each = [scores[split].by_name for scores in members]
    return Told.of({name: math.fsum(one[name] for one in each) / len(each) for name in each[0]})


LABELS = {
    "window_mean": "mean of the window's checkpoints",
    "last": "last checkpoint",
    "last_refreshed": "last checkpoint, statistics refreshed",
    "best_by_validation": "best checkpoint by validation",
    "best_by_test_oracle": "best checkpoint by test (oracle)",
    "ensemble": "ensemble of the window's checkpoints",
    "average": "average",
}


def table(comparison: Comparison, window: range, method: str, start: float | None = None) -> str:
    """`compare`'s numbers for a person: accuracies in %, gains of the average in points; another
    primary metric and its gains as they are."""
    results, gains, metric = comparison.results, comparison.gains, comparison.primary
    what, scale, digits, of_score = f"{metric}, gain of the average", 1, 9, ".4g"
    if metric == "accuracy":
        what = "accuracy in %, gain of the average in points"
        scale, digits, of_score = 100, 2, ".2f"
    splits = list(gains["over_last"])
    labels = LABELS | {"average": f"average of {epochs_of(window, start)} ({method})"}
    width = max(46, 2 + len(labels["average"]))
    head = "".join(f"{split:>14}{'gain':>9}" for split in splits)
    lines = [f"{what:<{width}}{head}"]
    for name, label in labels.items():
        result = results.get(name)
        if result is None:
            continue
        if result.epoch is not None:
            label += f", epoch {result.epoch}"
        line = f"{label:<{width}}"
        for split in splits:
            line += f"{scale * result.splits[split].by_name[metric]:14{of_score}}"
            gain = gains.get(f"over_{name}", {}).get(split)
            change = "" if gain is None else f"{round(scale * gain, digits) + 0.0:+{of_score}}"
            line += f"{change:>9}"
        lines.append(line.rstrip())
    return "\n".join(lines)
