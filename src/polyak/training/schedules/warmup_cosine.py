"""A learning rate that rises in a line, and then falls as half a cosine."""

import math
from dataclasses import dataclass
from typing import ClassVar

from polyak.parameters import NotNegative, PositiveShare, Share


@dataclass(frozen=True)
class WarmupCosine:
    """From `initial` in epoch 0 in a line to 1 at epoch `warmup`, which may be a fraction; from
    there as half a cosine towards `minimum`, which the epoch after the last would have.

    Gradual warm-up: Goyal et al. 2017 (https://arxiv.org/abs/1706.02677), section 2.2, which also
    begins above 0; then Loshchilov and Hutter 2017 (https://arxiv.org/abs/1608.03983). Epoch e has
    factor(e): torch's LinearLR, then its CosineAnnealingLR with T_max = epochs - warmup.
    """

    depends_on_epochs: ClassVar[bool] = True
    warmup: NotNegative = 2.0
    initial: PositiveShare = 0.1
    minimum: Share = 0.0

    def factor(self, epoch: float, epochs: int) -> float:
        if self.warmup >= epochs:
            raise ValueError(f"warmup = {self.warmup:g}: allowed: below training.epochs = {epochs}")
        if epoch < self.warmup:
            return self.initial + (1 - self.initial) * epoch / self.warmup
        angle = math.pi * (epoch - self.warmup) / (epochs - self.warmup)
        return self.minimum + (1 - self.minimum) * (1 + math.cos(angle)) / 2
