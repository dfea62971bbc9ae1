"""Adam with decoupled weight decay and without a schedule: its mean is part of the method."""

from torch.optim.optimizer import ParamsT

from polyak.parameters import (
    Decay,
    Interpolation,
    LearningRate,
    NotNegative,
    Positive,
    Power,
    Steps,
)
from polyak.training.optimizers.schedule_free import AdamWScheduleFree


class ScheduleFreeAdamW(AdamWScheduleFree):
    """The library's: Defazio et al. 2024 (https://arxiv.org/abs/2405.15682), algorithm 1, with the
    correction of Adam's bias in the second moment and not in the learning rate.

    The first of `betas` is the share of the mean x in y, where gradients and weight decay are
    taken. `warmup_steps`, `r` and `weight_lr_power` are those of ScheduleFreeSGD.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: LearningRate,
        betas: tuple[Interpolation, Decay] = (0.9, 0.999),
        eps: Positive = 1e-8,
        weight_decay: NotNegative = 0.0,
        warmup_steps: Steps = 0,
        r: Power = 0.0,
        weight_lr_power: Power = 2.0,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            r=r,
            weight_lr_power=weight_lr_power,
        )
