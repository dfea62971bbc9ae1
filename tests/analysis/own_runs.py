"""Synthetic runs of somebody's own loop: scores by a metric of their own, and no logits."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from polyak.records.metrics import COLUMNS
from tests.analysis.synthetic_runs import EPOCHS, write_run

Score = Callable[[float], float]


def level(epoch: int, lr: float, seed: int) -> float:
    """How good a checkpoint is, between 0 and 1: it rises, then oscillates."""
    return 0.7 - 0.4 * 0.5**epoch + 2 * lr * (-1) ** (epoch + seed)


def perplexity(level: float) -> float:
    """Lower where the level is higher."""
    return 40 - 30 * level


def write_own(
    directory: Path,
    name: str,
    higher: bool,
    *,
    gain: Callable[[int], float],
    score: Score = lambda level: level,
    lrs: Sequence[float] = (0.02, 0.05),
    starts: Sequence[int] = (1, 3),
    seeds: Sequence[int] = (0, 1, 2),
) -> Path:
    """Runs of each learning rate, start and seed. `score` makes one of a level; the average's level
    is that of the mean checkpoint and `gain`, by seed."""
    for lr in lrs:
        for start in starts:
            for seed in seeds:
                run = write_run(
                    directory / f"start={start},lr={lr},seed={seed}", lr=lr, seed=seed, start=start
                )
                levels = [level(epoch, lr, seed) for epoch in range(EPOCHS)]
                means = {
                    epoch: float(np.mean(levels[start : epoch + 1])) + gain(seed)
                    for epoch in range(start, EPOCHS)
                }
                _summarise(run, {"name": name, "higher": higher}, start, levels, means, score)
                _list_epochs(run, name, levels, means, score)
    return directory


def _summarise(
    run: Path,
    metric: dict[str, object],
    start: int,
    levels: list[float],
    means: dict[int, float],
    score: Score,
) -> None:
    def result(level: float, **more: int) -> dict[str, object]:
        scores = {"others": {metric["name"]: score(level)}}
        return {**more, "validation": scores, "test": scores}

    best, last = int(np.argmax(levels)), EPOCHS - 1
    summary = json.loads((run / "summary.json").read_text())
    summary["metric"] = metric
    summary["results"] = {
        "window_mean": result(float(np.mean(levels[start:]))),
        "last": result(levels[-1], epoch=last),
        "best_by_validation": result(levels[best], epoch=best),
        "ensemble": None,
        "average": result(means[last]),
    }
    (run / "summary.json").write_text(json.dumps(summary))


def _list_epochs(
    run: Path, name: str, levels: list[float], means: dict[int, float], score: Score
) -> None:
    columns = [f"{of}{split}_{name}" for of in ("", "average_") for split in ("val", "test")]
    with (run / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *columns], lineterminator="\n", restval="")
        writer.writeheader()
        for epoch, one in enumerate(levels):
            of_epoch = [score(one)] * 2 + [score(means[epoch]) if epoch in means else ""] * 2
            writer.writerow({"epoch": epoch, **dict(zip(columns, of_epoch, strict=True))})
