"""What a model says of a split (logits), and how good that is.

answers = logits(model, split.images.to(device), precision="fp32")
scores(answers, split.labels).accuracy
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from polyak.data import inputs
from polyak.data.dataset import Split
from polyak.models.precision import autocast

BATCH_SIZE = 250
"""Images a forward pass. Part of the evaluation key: it may decide the last bits."""


@dataclass(frozen=True)
class Scores:
    """Mean cross entropy (nats), accuracy and expected calibration error (fractions)."""

    loss: float
    accuracy: float
    calibration_error: float


def evaluation_key(split: Split, precision: str) -> str:
    """16 hex digits that name an evaluation: what is evaluated (content) and how (precision)."""
    what = {"split": split.digest(), "precision": precision, "batch": BATCH_SIZE, "format": 1}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


@torch.inference_mode()
def logits(model: nn.Module, images: Tensor, *, precision: str) -> Tensor:
    """float32 [N, classes] on CPU for uint8 images [N, C, H, W] on the model's device.

    The model runs in evaluation mode and is left in the mode it was in. It is put channels-last
    and left so: the memory format may decide the last bits.
    """
    training = model.training
    model.eval().to(memory_format=torch.channels_last)
    try:
        with autocast(images.device, precision):
            answers = [model(inputs.scale(batch)).float() for batch in images.split(BATCH_SIZE)]
    finally:
        model.train(training)
    return torch.cat(answers).cpu()


class Evaluator:
    """One model on the same images with many weights: nothing is rebuilt between them."""

    def __init__(
        self, model: nn.Module, splits: Mapping[str, Split], device: torch.device, precision: str
    ) -> None:
        self._model, self._splits, self._precision = model.to(device), splits, precision
        self._pixels = {name: split.images.to(device) for name, split in splits.items()}

    def answers(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits [N, classes] of a state dict, by split."""
        self._model.load_state_dict(state)
        return {
            name: logits(self._model, pixels, precision=self._precision)
            for name, pixels in self._pixels.items()
        }

    def scores(self, answers: Mapping[str, Tensor]) -> dict[str, Scores]:
        """Scores of logits, by split."""
        return {name: scores(given, self._splits[name].labels) for name, given in answers.items()}


def ensemble(answers: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Log probabilities, float64 [N, classes], of the ensemble that averages the probabilities of
    several logits [N, classes]; as logits, they are scored by `scores`."""
    total = math.fsum(weights)
    members = [
        one.double().log_softmax(1) + math.log(weight / total)
        for one, weight in zip(answers, weights, strict=True)
        if weight > 0
    ]
    return torch.stack(members).logsumexp(0)


def scores(answers: Tensor, labels: Tensor) -> Scores:
    """Scores of logits [N, classes] against labels int64 [N], computed in float64 on CPU.

    Where two classes are equally likely, the first counts as the answer, as argmax has it.
    """
    answers, labels = answers.double(), labels.cpu()
    return Scores(
        loss=F.cross_entropy(answers, labels).item(),
        accuracy=(answers.argmax(1) == labels).double().mean().item(),
        calibration_error=calibration_error(answers.softmax(1), labels),
    )


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error, a fraction: mean |accuracy - confidence| over equal-width bins.

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599), with 15 bins (lower, upper] as there.
    `probabilities` [N, classes], `labels` int64 [N].
    """
    confidence, answer = probabilities.max(1)
    bin_of = (confidence * bins).ceil().long().clamp(1, bins) - 1
    excess = (answer == labels).double() - confidence.double()
    return torch.zeros(bins, dtype=torch.float64).index_add_(
        0, bin_of, excess
    ).abs().sum().item() / len(labels)
