"""What one run says of itself: its summary.json and its configuration, as a row of plain values.

row = finished(json.loads((run / "summary.json").read_text()))
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def configured(config: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a configuration, resolved or not. Raises KeyError and the like."""
    return {
        "model": config["model"]["_target_"].rpartition(".")[2],
        "optimizer": config["optimizer"]["_target_"].rpartition(".")[2],
        "schedule": config["schedule"]["_target_"].rpartition(".")[2],
        "learning_rate": config["optimizer"]["lr"],
        "seed": config["seed"],
        "epochs": config["training"]["epochs"],
        "start": config["averaging"]["start"],
        "end": config["averaging"]["end"] or config["training"]["epochs"],
        "config": flat(config),
    }


def finished(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of one summary.json: accuracies, calibration errors and gains as fractions,
    losses in nats. Raises KeyError and the like where it is not one."""
    data, environment = summary["dataset"], summary["environment"]
    row = {
        "status": "finished",
        "dataset": data["name"],
        "synthetic": bool(data["synthetic"]),
        "substitute_for": data.get("substitute_for"),
        **{f"{name}_images": data["sizes"].get(name) for name in ("train", "validation", "test")},
        **configured(summary["config"]),
        **summary["window"],
        "scheme": summary["scheme"],
        "weights": tuple(summary["weights"]),
        "fingerprint": summary["fingerprint"],
        "test_key": summary["evaluation_keys"]["test"],
        "validation_key": summary["evaluation_keys"].get("validation"),
        "trajectory": summary["trajectory"],
        "seconds": math.fsum(summary["seconds"].values()),
        **{
            key: environment.get(key)
            for key in ("device", "hardware", "threads", "precision", "commit", "python", "torch")
        },
    }
    numbers: dict[str, Any] = {}
    for what, result in summary["results"].items():
        if not result:  # no validation split
            continue
        numbers |= {f"{what}_epoch": result["epoch"]} if "epoch" in result else {}
        for split in ("validation", "test"):
            for measure, value in (result.get(split) or {}).items():
                numbers[f"{what}_{split}_{measure}"] = value
    for what, gains in summary["gains"].items():
        numbers |= {f"gain_{what}_{split}": gain for split, gain in gains.items()}
    wrong = [key for key, value in numbers.items() if not _finite(value)]
    lacking = {f"{what}_test_accuracy" for what in ("average", "window_mean", "last")} - set(
        numbers
    )
    if wrong or lacking:
        problem = (
            f"{wrong[0]} is {numbers[wrong[0]]}" if wrong else f"{sorted(lacking)[0]} is missing"
        )
        row |= {"status": "unusable", "reason": f"summary.json: {problem}"}
    return row | numbers


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys; lists become tuples."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = _hashable(value)
    return found


def _hashable(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_hashable(one) for one in value)
    return value
