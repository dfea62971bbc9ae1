"""Stochastic gradient descent."""

import torch
from torch.optim.optimizer import ParamsT

from polyak.parameters import Decay, LearningRate, NotNegative


class SGD(torch.optim.SGD):
    """torch's, with momentum. Raises ValueError for nesterov without momentum."""

    def __init__(
        self,
        params: ParamsT,
        lr: LearningRate,
        momentum: Decay = 0.0,
        nesterov: bool = False,
        weight_decay: NotNegative = 0.0,
    ) -> None:
        if nesterov and momentum == 0:
            raise ValueError("nesterov = True: allowed: only with momentum above 0")
        super().__init__(
            params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
        )
