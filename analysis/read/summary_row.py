"""One run's summary.json and configuration, as a row of plain values.

row = finished(json.loads((run / "summary.json").read_text()))
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

WHOLE_NUMBERS = (
    *("seed", "epochs", "start", "end", "count"),
    *("train_images", "validation_images", "test_images"),
    *("last_epoch", "best_by_validation_epoch", "best_by_test_oracle_epoch"),
)
"""Columns of integers."""

REFERENCES = ("window_mean", "last", "ensemble")
"""What every finished run compares its average with, on test."""


def configured(config: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a configuration, resolved or not: None for what isn't resolved. Raises
    KeyError, TypeError or AttributeError for anything but a configuration."""
    epochs = _whole(config["training"]["epochs"])
    end = config["averaging"]["end"]
    return {
        "model": config["model"]["_target_"].rpartition(".")[2],
        "optimizer": config["optimizer"]["_target_"].rpartition(".")[2],
        "schedule": config["schedule"]["_target_"].rpartition(".")[2],
        "learning_rate": float(rate) if _finite(rate := config["optimizer"]["lr"]) else None,
        "seed": _whole(config["seed"]),
        "epochs": epochs,
        "start": _whole(config["averaging"]["start"]),
        "end": epochs if end is None else _whole(end),
        "config": flat(config),
    }


def finished(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of one summary.json: accuracies, calibration errors and gains as fractions,
    losses in nats. Its status is "unusable" where a number that is needed is missing or not finite.
    Raises KeyError, TypeError, ValueError or AttributeError for anything but a summary."""
    data, environment = summary["dataset"], summary["environment"]
    sizes = data["sizes"]
    row = {
        "status": "finished",
        "dataset": text(data["name"]),
        "synthetic": bool(data["synthetic"]),
        "substitute_for": None if (asked := data.get("substitute_for")) is None else text(asked),
        **configured(summary["config"]),
        **{name: summary["window"][name] for name in ("start", "end", "count")},
        **{f"{name}_images": sizes[name] for name in ("train", "test")},
        "validation_images": sizes.get("validation"),
        "scheme": text(summary["scheme"]),
        "weights": tuple(summary["weights"]),
        "fingerprint": str(summary["fingerprint"]),
        "training_key": summary.get("training_split"),
        "test_key": str(summary["evaluation_keys"]["test"]),
        "validation_key": summary["evaluation_keys"].get("validation"),
        "trajectory": summary["trajectory"],
        "seconds": math.fsum(summary["seconds"].values()),
        **{
            key: environment.get(key)
            for key in ("device", "hardware", "threads", "precision", "commit", "python", "torch")
        },
    }
    needed = [name for name in WHOLE_NUMBERS[:7] if name != "validation_images"]
    wrong = [f"{name} is {row[name]}" for name in needed if _whole(row[name]) is None]
    if row["learning_rate"] is None:
        wrong.append("optimizer.lr is not a number")
    numbers = _results(summary["results"])
    wrong += [f"{name} is {value}" for name, value in numbers.items() if not _finite(value)]
    wrong += [
        f"{what}_test_accuracy is missing"
        for what in ("average", *REFERENCES)
        if f"{what}_test_accuracy" not in numbers
    ]
    if wrong:
        return row | {
            "status": "unusable",
            "reason": f"summary.json: {wrong[0]}",
            **dict.fromkeys(WHOLE_NUMBERS, None),
        }
    return row | numbers | _gains(numbers)


def _results(results: Mapping[str, Any]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for what, result in results.items():
        if not result:  # no validation split
            continue
        numbers |= {f"{what}_epoch": result["epoch"]} if "epoch" in result else {}
        for split in ("validation", "test"):
            for measure, value in (result.get(split) or {}).items():
                numbers[f"{what}_{split}_{measure}"] = value
    return numbers


def _gains(numbers: Mapping[str, float]) -> dict[str, float]:
    """The average's accuracy minus every other one, on each split."""
    return {
        f"gain_over_{name.removesuffix(suffix)}_{split}": numbers[f"average{suffix}"] - value
        for split in ("validation", "test")
        for name, value in numbers.items()
        if name.endswith(suffix := f"_{split}_accuracy")
        and name != f"average{suffix}"
        and f"average{suffix}" in numbers
    }


def text(value: Any) -> str:
    """Valid UTF-8: file names and foreign files may hold what is not."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys; lists become tuples."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = _hashable(value)
    return found


def _hashable(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_hashable(one) for one in value)
    return value


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
