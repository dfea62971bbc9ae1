"""The step loop: one epoch of a model on images that are in memory.

    for epoch in range(20):
        set_learning_rate(optimizer, schedule.factor(epoch, 20))
        result = train_epoch(model, optimizer, images, labels, epoch=epoch, seed=0, batch_size=128)

It knows nothing of averaging. The order of the batches, and all other randomness in an epoch,
depend on the seed and the epoch alone, so any epoch can be the first after a restart.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from polyak.data import inputs
from polyak.errors import DivergedError
from polyak.models.precision import autocast


class Schedule(Protocol):
    """What a learning-rate schedule must offer; `polyak.training.schedules` has some."""

    depends_on_epochs: ClassVar[bool]

    def factor(self, epoch: int, epochs: int) -> float:
        """The factor on the learning rate in zero-based `epoch` of `epochs`."""


@dataclass(frozen=True)
class EpochResult:
    """What the training of zero-based `epoch` was like: loss (nats) and accuracy (a fraction),
    weighted by images, of each batch as it was trained on; seconds of the training alone."""

    epoch: int
    lr: float
    loss: float
    accuracy: float
    seconds: float


def initial_model(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A model with the weights that `seed` gives it, made on the CPU so that they are the same for
    every device. Its convolutions run channels-last, the faster format: as weights are, so are
    activations. Leaves torch's global CPU generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().to(memory_format=torch.channels_last)


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's lr to `factor` times the one it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed for all randomness of one epoch; 63 bits of SHA-256, so that none are correlated."""
    digest = hashlib.sha256(f"polyak {seed} {epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch takes `count` images: a permutation, int64 [count], on CPU."""
    generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
    return torch.randperm(count, generator=generator)


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    *,
    epoch: int,
    seed: int,
    batch_size: int,
    precision: str = "fp32",
    forward: Callable[[Tensor], Tensor] | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> EpochResult:
    """Train on every image once: images uint8 [N, C, H, W] and labels int64 [N], on the model's
    device. The last batch may be shorter. `forward` is what is called where it isn't the model
    itself but, say, its compiled twin; `on_step` is called after every step.

    Seeds torch's global generators (dropout draws from them). Raises DivergedError, naming epoch
    and lr, where a loss or a weight is not finite at the epoch's end.
    """
    began = time.perf_counter()
    torch.manual_seed(epoch_seed(seed, epoch))
    order = epoch_order(len(labels), seed, epoch).to(images.device)
    if forward is None:  # and not `or`: a module may have a length
        forward = model
    losses, correct, sizes = [], [], []
    model.train()
    for batch in order.split(batch_size):
        targets = labels[batch]
        with autocast(images.device, precision):
            answers = forward(inputs.scale(images[batch]))
        loss = F.cross_entropy(answers.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        # Kept on the device until the epoch's end: reading them here would wait for it.
        losses.append(loss.detach())
        correct.append((answers.detach().argmax(1) == targets).sum())
        sizes.append(len(batch))
        on_step()
    step_losses = torch.stack(losses).cpu().double()
    accuracy = torch.stack(correct).sum().item() / len(labels)
    seconds = time.perf_counter() - began
    _check_finite(model, optimizer, step_losses, epoch)
    mean_loss = (step_losses * torch.tensor(sizes)).sum().item() / len(labels)
    return EpochResult(epoch, optimizer.param_groups[0]["lr"], mean_loss, accuracy, seconds)


def _check_finite(
    model: nn.Module, optimizer: torch.optim.Optimizer, losses: Tensor, epoch: int
) -> None:
    lr = optimizer.param_groups[0]["lr"]
    wrong = (~losses.isfinite()).nonzero()
    if len(wrong):
        step = int(wrong[0])
        raise DivergedError(
            f"training diverged: the loss became {losses[step].item()} in epoch {epoch} "
            f"(step {step} of {len(losses)}) at lr {lr:g}; try a smaller optimizer.lr",
            epoch=epoch,
        )
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise DivergedError(
                f"training diverged: {name} is not finite at the end of epoch {epoch} "
                f"at lr {lr:g}; try a smaller optimizer.lr",
                epoch=epoch,
            )
