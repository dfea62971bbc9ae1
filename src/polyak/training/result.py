"""What is said of one epoch's training. Needs no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochResult:
    """The training of zero-based `epoch`: loss (nats) and accuracy (a fraction), weighted by
    images, of each batch as it was trained on; seconds of the training alone."""

    epoch: int
    lr: float
    loss: float
    accuracy: float
    seconds: float
