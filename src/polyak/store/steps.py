"""What is read of a model after the steps of an epoch, and when: its weights, means of them.

    follow = Steps(Reads(model, optimizer), 0, {"mean_00000057.safetensors": range(57)}, put, check)
    follow()        # after each step; `put` gets file, steps and tensors

It decides nothing of the training: what is read is left with every bit as it was.
"""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from polyak.averaging.step_mean import StepMean
from polyak.errors import ConfigError
from polyak.training.trainer import set_mode
from polyak.weights import checkpoint


class Summed(Protocol):
    """The mean of weights after several steps."""

    def add(self) -> None:
        """Add the weights that the model has now."""

    def result(self) -> Mapping[str, Tensor]:
        """The mean of all that were added."""


class Reads:
    """What is read of a model that is trained by an optimizer, between its steps."""

    def __init__(self, model: nn.Module, optimizer: Optimizer | None) -> None:
        self._model, self._optimizer = model, optimizer

    def mean(self) -> Summed:
        """The sum, to be, of the weights after each step from now on.

        Raises ConfigError for an optimizer that deploys other weights than it trains at.
        """
        if hasattr(self._optimizer, "eval"):
            raise ConfigError(
                f"recording.means = True: {type(self._optimizer).__name__} deploys a mean over "
                "steps of its own, and trains at other weights; allowed: recording.means=false"
            )
        return StepMean(self._model)

    def weights(self) -> Mapping[str, Tensor]:
        """What the model would be deployed as now."""
        return deployed(self._model, self._optimizer)


class Steps:
    """Follows one epoch's steps from step `first` of the training on: to be called after each.
    What is read by `reads` for the files that are `lacking` goes to `put`; `check` raises what has
    gone wrong since."""

    def __init__(
        self,
        reads: Reads,
        first: int,
        lacking: Mapping[str, range],
        put: Callable[[str, range, Mapping[str, Tensor]], None],
        check: Callable[[], None],
    ) -> None:
        self._reads, self._done, self._put, self._check = reads, first, put, check
        self._means = self._by("begin", "mean", lacking)
        self._ends = self._by("end", "step", lacking)
        self._mean: tuple[str, range, Summed] | None = None
        self._begin()

    @staticmethod
    def _by(
        place: Literal["begin", "end"], kind: str, lacking: Mapping[str, range]
    ) -> dict[int, tuple[str, range]]:
        return {
            steps.start if place == "begin" else steps.stop: (file, steps)
            for file, steps in lacking.items()
            if file.startswith(kind)
        }

    def __call__(self) -> None:
        """A step is done."""
        self._check()
        self._done += 1
        if self._mean:
            file, steps, mean = self._mean
            mean.add()
            if self._done == steps.stop:
                self._put(file, steps, mean.result())
                self._mean = None
        if self._done in self._ends:
            self._put(*self._ends[self._done], self._reads.weights())
        self._begin()

    def _begin(self) -> None:
        if self._done in self._means:
            self._mean = (*self._means[self._done], self._reads.mean())


@torch.no_grad()
def deployed(model: nn.Module, optimizer: Optimizer | None) -> dict[str, Tensor]:
    """A copy, on the CPU, of what the model would be deployed as now, within an epoch; the training
    goes on from the bits that it had, in the mode that its optimizer had."""
    parameters = list(model.parameters())
    trained_at = None
    if optimizer is not None and hasattr(optimizer, "eval") and _trains(optimizer):
        trained_at = [parameter.clone() for parameter in parameters]
        set_mode(optimizer, "eval")
    state = model.state_dict()
    found = {name: one.detach().to("cpu", copy=True).contiguous() for name, one in state.items()}
    for group in checkpoint.ties(state):
        found |= dict.fromkeys(group, found[group[0]])
    if optimizer is not None and trained_at is not None:
        set_mode(optimizer, "train")
        for parameter, before in zip(parameters, trained_at, strict=True):
            parameter.copy_(before)
    return found


def _trains(optimizer: Optimizer) -> bool:
    """Whether a schedule-free one is in training mode: it says so itself, or in its groups."""
    if hasattr(optimizer, "train_mode"):
        return bool(optimizer.train_mode)
    return any(group.get("train_mode", True) for group in optimizer.param_groups)
