"""Adam with decoupled weight decay."""

import torch
from torch.optim.optimizer import ParamsT

from polyak.parameters import Decay, LearningRate, NotNegative, Positive


class AdamW(torch.optim.AdamW):
    """torch's: Loshchilov and Hutter 2019 (https://arxiv.org/abs/1711.05101)."""

    def __init__(
        self,
        params: ParamsT,
        lr: LearningRate,
        betas: tuple[Decay, Decay] = (0.9, 0.999),
        eps: Positive = 1e-8,
        weight_decay: NotNegative = 0.01,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
