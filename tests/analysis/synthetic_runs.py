"""Synthetic run directories, with the files and keys of real ones (see test_real_sweep.py)."""

import csv
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save_file

from analysis.compare.findings import Findings, findings_of
from analysis.compare.groups import Group, comparison_groups
from analysis.read.load import load
from analysis.read.predictions import Predictions
from polyak.records.metrics import COLUMNS
from polyak.runs.metrics import SHORT

EPOCHS = 6

GAINS = {0: 0.021, 1: 0.034, 2: 0.026}
"""By seed."""


def group_of(folder: Path) -> Group:
    """The one comparison group of a directory."""
    (group,) = comparison_groups(load([folder]))
    return group


def findings_in(folder: Path) -> Findings:
    """The findings of that group."""
    return findings_of(group_of(folder))


def accuracy(epoch: int, lr: float, seed: int) -> float:
    """Of a checkpoint: it rises, then oscillates in proportion to the learning rate."""
    return 0.8 - 0.4 * 0.5**epoch + lr * (-1) ** (epoch + seed)


def config_of(
    *, lr: float, seed: int, start: int, end: int | None, **changed: Any
) -> dict[str, Any]:
    config = {
        "dataset": {"_target_": "polyak.data.svhn.load", "validation": 0.1, "limit_train": None},
        "model": {
            **{"_target_": "polyak.models.small_cnn.SmallCNN", "channels": [32, 64]},
            "batch_norm": False,
        },
        "optimizer": {"_target_": "torch.optim.SGD", "lr": lr, "momentum": 0.9},
        "schedule": {"_target_": "polyak.training.schedules.Constant"},
        "averaging": {
            "start": start,
            "end": end,
            "stride": 1,
            "running": False,
            "scheme": {"_target_": "polyak.averaging.Uniform"},
        },
        "training": {"epochs": EPOCHS, "batch_size": 128, "device": "auto", "threads": None},
        "seed": seed,
        "name": None,
        "paths": {"outputs": "/o", "datasets": "/d", "trajectories": "/t"},
    }
    if source := changed.pop("dataset_config", None):
        config["dataset"] = source
    for key, value in changed.items():
        group, _, name = key.partition("__")
        if name:
            config[group][name] = value
        else:
            config[group] = value
    return config


def write_run(
    directory: Path,
    *,
    lr: float = 0.05,
    seed: int = 0,
    start: int = 2,
    end: int | None = None,
    stride: int = 1,
    gain: float | Callable[[int], float] = 0.03,
    validation_gain: float | None = None,
    validation: bool = True,
    refreshed: float | None = None,
    scheme: str = "uniform",
    dataset: str = "svhn",
    fingerprint: str | None = None,
    test_key: str = "test-key",
    training_key: str = "training-key",
    running: bool = False,
    predictions: bool = False,
    summary: Mapping[str, Any] | None = None,
    **changed: Any,
) -> Path:
    """A finished run. `gain`: of the average over the mean of the window's checkpoints on test, a
    number or a function of the seed; `refreshed`: by how much refreshing batch norm's statistics
    changes the last checkpoint's accuracy, None for a model without batch norm; `changed` are
    configuration values, say model__hidden=8; `summary` are keys of summary.json to replace."""
    config = config_of(lr=lr, seed=seed, start=start, end=end, **changed)
    config["averaging"]["stride"] = stride
    config["model"]["batch_norm"] = refreshed is not None
    epochs = config["training"]["epochs"]
    window = range(start, end or epochs, stride)
    found = {"test": gain(seed) if callable(gain) else gain}
    if validation:
        found["validation"] = found["test"] if validation_gain is None else validation_gain
    checkpoints = [accuracy(epoch, lr, seed) for epoch in range(epochs)]
    mean = float(np.mean([checkpoints[epoch] for epoch in window]))

    def scores(value: float, **more: Any) -> dict[str, Any]:
        return more | {
            split: {"loss": 1 - value, "accuracy": value, "calibration_error": 0.1}
            for split in found
        }

    best = int(np.argmax(checkpoints))
    results: dict[str, Any] = {
        "window_mean": scores(mean),
        "last": scores(checkpoints[window[-1]], epoch=window[-1]),
        "best_by_validation": scores(checkpoints[best], epoch=best) if validation else None,
        "best_by_test_oracle": scores(checkpoints[best], epoch=best),
        "ensemble": scores(mean + found["test"] + 0.002),
        "average": {
            split: {"loss": 0.5, "accuracy": mean + more, "calibration_error": 0.05}
            for split, more in found.items()
        },
    }
    if refreshed is not None:
        last = checkpoints[window[-1]] + refreshed
        results["last_refreshed"] = scores(last, epoch=window[-1])
    directory.mkdir(parents=True)
    write_claim(directory)
    write_hydra(directory, config)
    write_metrics(directory, lr, seed, epochs, window, results, running)
    values = {
        "config": config,
        "overrides": [],
        "dataset": {
            "name": dataset,
            "origin": "synthetic_runs.py",
            "synthetic": False,
            "substitute_for": None,
            "classes": 10,
            "input_shape": [3, 32, 32],
            "sizes": {"train": 5000, "test": 1000}
            | ({"validation": round(5000 * config["dataset"]["validation"])} if validation else {}),
        },
        "fingerprint": fingerprint or f"{dataset}-{lr}-{seed}",
        "training_split": training_key,
        "evaluation_keys": {"test": test_key} | ({"validation": "val-key"} if validation else {}),
        "window": {
            **{"start": window.start, "end": window.stop, "stride": stride, "count": len(window)}
        },
        "scheme": scheme + f", stride {stride}" * (stride > 1),
        "weights": [1] * len(window),
        "results": results,
        "gains": {},  # the analysis computes its own
        "trajectory": "trained",
        "seconds": {"training": 10.0, "averaging": 1.0},
        "environment": {
            **{"device": "cpu", "hardware": "x86_64", "threads": 2, "precision": "fp32"},
            **{"commit": "0123abc", "python": "3.11.7", "torch": "2.14.1", "platform": "Linux"},
            **{"torchvision": "0.29.1", "timm": "1.0.31", "schedulefree": "1.4.1"},
        },
    } | dict(summary or {})
    (directory / "summary.json").write_text(json.dumps(values))
    if predictions:
        also = [] if refreshed is None else ["last_refreshed"]
        write_predictions(directory, epochs, seed, also)
    return directory


def write_sweep(
    directory: Path,
    *,
    lrs: Sequence[float] = (0.02, 0.05),
    seeds: Sequence[int] = (0, 1, 2),
    starts: Sequence[int] = (0, 2, 4),
    **options: Any,
) -> Path:
    """Finished runs of every start, learning rate and seed."""
    for lr in lrs:
        for seed in seeds:
            for start in starts:
                name = f"averaging.start={start},optimizer.lr={lr},seed={seed}"
                write_run(directory / name, lr=lr, seed=seed, start=start, **options)
    return directory


def write_divided(directory: Path, *, seed: int, split_seed: int, **options: Any) -> Path:
    """A finished run whose validation split was drawn; its size follows from the split."""
    lr, more = options.get("lr", 0.05), split_seed % 3
    data = {"name": "svhn", "origin": "synthetic_runs.py", "synthetic": False, "classes": 10}
    data |= {"substitute_for": None, "input_shape": [3, 32, 32]}
    data |= {"sizes": {"train": 4500 - more, "validation": 500 + more, "test": 1000}}
    options = {"fingerprint": f"{lr}-{seed}-{split_seed}", **options}
    options |= {"dataset__split_seed": split_seed, "training_key": f"training {split_seed}"}
    keys = {"test": "test-key", "validation": f"validation {split_seed}"}
    summary = {"dataset": data, "evaluation_keys": keys, **options.pop("summary", {})}
    return write_run(directory, seed=seed, summary=summary, **options)


def agree_with_predictions(run: Path) -> None:
    """Put the accuracies of a run's predictions into its summary."""
    summary = json.loads((run / "summary.json").read_text())
    found = Predictions(run, "test")
    for what in ("average", "last", "best_by_validation"):
        result = summary["results"][what]
        given = found.log_probabilities("average" if what == "average" else result["epoch"])
        result["test"]["accuracy"] = float(found.correct(given).mean())
    (run / "summary.json").write_text(json.dumps(summary))


def drop_refreshed(run: Path) -> None:
    """Make a run one of before its last checkpoint's statistics were refreshed."""
    summary = json.loads((run / "summary.json").read_text())
    del summary["results"]["last_refreshed"]
    (run / "summary.json").write_text(json.dumps(summary))


def write_claim(directory: Path, process: int | None = None) -> None:
    claim = {"process": process or os.getpid(), "host": platform.node(), "began": 0}
    (directory / "claim.json").write_text(json.dumps(claim))


def write_hydra(directory: Path, config: Mapping[str, Any]) -> None:
    (directory / ".hydra").mkdir()
    text = yaml.dump(dict(config), Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    (directory / ".hydra" / "config.yaml").write_text(text)
    overrides = [f"optimizer.lr={config['optimizer']['lr']}", f"seed={config['seed']}"]
    (directory / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides))


def write_unfinished(directory: Path, *, reason: str | None = None, **options: Any) -> Path:
    """A run without a summary: failed where there is a reason."""
    directory.mkdir(parents=True)
    write_claim(directory)
    values = {"lr": 0.05, "seed": 0, "start": 2, "end": None} | options
    write_hydra(directory, config_of(**values))
    if reason:
        failure = {"stage": "training", "epoch": 3, "kind": "DivergedError", "reason": reason}
        (directory / "failure.json").write_text(json.dumps(failure))
    return directory


def write_metrics(
    directory: Path,
    lr: float,
    seed: int,
    epochs: int,
    window: range,
    results: Mapping[str, Any],
    running: bool,
) -> None:
    with (directory / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for epoch in range(epochs):
            value = accuracy(epoch, lr, seed)
            row = dict.fromkeys(COLUMNS, "") | {
                **{"epoch": epoch, "lr": lr, "train_loss": 1.0, "train_accuracy": value},
                "seconds": 1.0,
            }
            for split, scores in results["average"].items():
                short = SHORT[split]
                row |= {f"{short}_loss": 1 - value, f"{short}_accuracy": value}
                if epoch == window[-1] or (running and epoch in window):
                    count = window.index(epoch) + 1
                    less = 0.01 * (len(window) - count)
                    row |= {
                        "average_count": count,
                        f"average_{short}_accuracy": scores["accuracy"] - less,
                        f"average_{short}_loss": scores["loss"] + less,
                    }
            writer.writerow(row)


def write_predictions(
    directory: Path, epochs: int, seed: int, also: Sequence[str] = (), images: int = 200
) -> None:
    """Labels, and logits of every checkpoint, of the average, which is right more often, and of
    those that are `also` there."""
    generator = np.random.default_rng(seed)
    labels = np.random.default_rng(0).integers(0, 10, images)  # the same images for every seed
    folder = directory / "predictions" / "test"
    folder.mkdir(parents=True)
    save_file({"labels": labels, "image_ids": np.arange(images)}, folder / "labels.safetensors")
    for name in [*(f"epoch_{epoch:03d}" for epoch in range(epochs)), "average", *also]:
        logits = generator.normal(size=(images, 10)).astype(np.float32)
        logits[np.arange(images), labels] += 3 if name == "average" else 2
        save_file({"logits": logits}, folder / f"{name}.safetensors")
