"""Adaptive moments."""

import torch
from torch.optim.optimizer import ParamsT

from polyak.parameters import Decay, LearningRate, NotNegative, Positive


class Adam(torch.optim.Adam):
    """torch's: Kingma and Ba 2015 (https://arxiv.org/abs/1412.6980)."""

    def __init__(
        self,
        params: ParamsT,
        lr: LearningRate,
        betas: tuple[Decay, Decay] = (0.9, 0.999),
        eps: Positive = 1e-8,
        weight_decay: NotNegative = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
