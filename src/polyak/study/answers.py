"""What somebody's own function gives of weights, checked: logits and labels, or metrics, by split.

found = answers({"test": (logits, labels)})
found["test"], found.scores["test"].accuracy        # float32 [N, classes], 0.81
answers({"test": {"accuracy": 0.81, "loss": 0.6}}).scores
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyak import files
from polyak.errors import ConfigError, EvaluationError
from polyak.evaluation.scores import Scores, Told, scores
from polyak.recorder import told

SPLITS = ("validation", "test")
FRACTIONS = ("accuracy", "calibration_error")


class Answers(dict[str, Tensor]):
    """Logits by split, float32 [N, classes] on CPU: none where the function gives metrics. `labels`
    int64 [N] of those splits; `scores` of all."""

    def __init__(
        self,
        logits: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
        found: Mapping[str, Scores],
    ) -> None:
        super().__init__(logits)
        self.labels, self.scores = dict(labels), dict(found)

    @property
    def form(self) -> dict[str, str]:
        """What the answers for all weights have in common, by split: for messages."""
        return {
            split: f"logits [{len(self[split])}, {self[split].shape[1]}] and labels "
            f"{digest(self.labels[split])[:8]}"
            if split in self
            else f"metrics {', '.join(sorted(self.scores[split].by_name))}"
            for split in self.scores
        }


def digest(labels: Tensor) -> str:
    """SHA-256 (hex) of labels int64 [N]."""
    return hashlib.sha256(labels.numpy().tobytes()).hexdigest()


def answers(given: Any) -> Answers:
    """Those that a function has `given`. Raises EvaluationError, whose message follows the
    function's name, for what it is not to give."""
    if not isinstance(given, Mapping) or not given:
        raise EvaluationError(
            f'returned {files.shown(given)}; allowed: {{"test": (logits, labels)}}, or '
            '{"test": {"accuracy": 0.81}}, with or without "validation"'
        )
    logits, labels, found = dict[str, Tensor](), dict[str, Tensor](), dict[str, Scores]()
    for split, one in given.items():
        if split not in SPLITS:
            raise EvaluationError(f"returned a split {files.shown(split)}; allowed: {SPLITS}")
        if isinstance(one, Mapping):
            found[split] = Told.of(_metrics(split, one))
        elif isinstance(one, tuple | list) and len(one) == 2:
            logits[split], labels[split] = _logits(split, one[0]), _labels(split, *one)
            found[split] = scores(logits[split].numpy(), labels[split].numpy())
        else:
            raise EvaluationError(
                f"returned {files.shown(one)} for {split}; allowed: (logits, labels), or metrics "
                "by name"
            )
    if logits and len(logits) < len(found):
        raise EvaluationError("returned logits of one split and metrics of another; allowed: one")
    order = [split for split in SPLITS if split in found]
    return Answers(logits, labels, {split: found[split] for split in order})


def _metrics(split: str, given: Mapping[str, Any]) -> dict[str, float]:
    try:
        found = told.metrics({split: given})[split]
    except ConfigError as error:
        raise EvaluationError(f"returned {error}") from error
    if not found:
        raise EvaluationError(f"returned no metric of {split}; allowed: one or more")
    for name, value in found.items():
        most = 1.0 if name in FRACTIONS else math.inf
        least = 0.0 if name in (*FRACTIONS, "loss") else -math.inf
        if value is None or not least <= value <= most:
            allowed = f"from {least:g} to {most:g}" if least == 0 else "finite numbers"
            raise EvaluationError(
                f"returned {name} = {files.shown(given[name])} for {split}; allowed: {allowed}"
            )
    return {name: value for name, value in found.items() if value is not None}


def _logits(split: str, given: Any) -> Tensor:
    found = _tensor(split, "logits", given)
    if found.dim() != 2 or not found.numel() or not found.is_floating_point() or found.is_sparse:
        raise EvaluationError(
            f"returned logits {found.dtype} {list(found.shape)} for {split}; allowed: floating "
            "numbers [N, classes]"
        )
    found = found.float().contiguous()
    if not bool(torch.isfinite(found).all()):
        raise EvaluationError(f"returned logits for {split} that are NaN or infinite")
    return found


def _labels(split: str, logits: Any, given: Any) -> Tensor:
    found, (count, classes) = _tensor(split, "labels", given), np.shape(logits)
    integers = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if not integers or found.shape != (count,):
        raise EvaluationError(
            f"returned labels {found.dtype} {list(found.shape)} for {split}; allowed: integers "
            f"[{count}], one per row of logits"
        )
    found = found.long().contiguous()
    if int(found.min()) < 0 or int(found.max()) >= classes:
        raise EvaluationError(
            f"returned labels from {int(found.min())} to {int(found.max())} for {split}; allowed: "
            f"from 0 to {classes - 1}, of {classes} classes"
        )
    return found


def _tensor(split: str, what: str, given: Any) -> Tensor:
    try:
        return torch.as_tensor(given).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise EvaluationError(
            f"returned {what} {files.shown(given)} for {split}; allowed: a tensor or an array"
        ) from error
