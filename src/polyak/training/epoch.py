"""One epoch, trained and measured.

    for epoch in range(20):
        result = train_epoch(trainer, epoch)
        print(result.loss, result.accuracy)

What decides the weights is in `trainer.py`; here is what is said of them.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from polyak.errors import DivergedError
from polyak.training.result import EpochResult
from polyak.training.trainer import Trainer


def train_epoch(
    trainer: Trainer, epoch: int, *, on_step: Callable[[], object] = lambda: None
) -> EpochResult:
    """Train one epoch; `on_step` is called after every step.

    Raises DivergedError, naming epoch and lr, where a loss or a weight is not finite at the epoch's
    end.
    """
    began = time.perf_counter()
    steps = []  # kept on the device until the epoch's end: reading them here would wait for it
    for step in trainer.steps(epoch):
        steps.append(step)
        on_step()
    losses = torch.stack([step.loss for step in steps]).cpu().double()
    correct = torch.stack([step.correct for step in steps]).sum().item()
    seconds = time.perf_counter() - began
    lr: float = trainer.optimizer.param_groups[0]["lr"]
    _check_finite(trainer, losses, epoch, lr)
    sizes = torch.tensor([step.images for step in steps])
    images = int(sizes.sum())
    return EpochResult(epoch, lr, (losses * sizes).sum().item() / images, correct / images, seconds)


def _check_finite(trainer: Trainer, losses: Tensor, epoch: int, lr: float) -> None:
    wrong = (~losses.isfinite()).nonzero()
    if len(wrong):
        step = int(wrong[0])
        raise DivergedError(
            f"training diverged: the loss became {losses[step].item()} in epoch {epoch} "
            f"(step {step} of {len(losses)}) at lr {lr:g}; try a smaller optimizer.lr",
            epoch=epoch,
        )
    for name, tensor in trainer.model.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise DivergedError(
                f"training diverged: {name} is not finite at the end of epoch {epoch} "
                f"at lr {lr:g}; try a smaller optimizer.lr",
                epoch=epoch,
            )
