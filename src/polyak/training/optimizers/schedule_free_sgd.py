"""Stochastic gradient descent without a schedule: its mean is part of the method."""

from torch.optim.optimizer import ParamsT

from polyak.parameters import Interpolation, LearningRate, NotNegative, Power, Steps
from polyak.training.optimizers.schedule_free import SGDScheduleFree


class ScheduleFreeSGD(SGDScheduleFree):
    """The library's: Defazio et al. 2024 (https://arxiv.org/abs/2405.15682).

    `momentum` is the paper's beta, the share of the mean x in y, where gradients and weight decay
    are taken. The learning rate rises in a line over the first `warmup_steps` steps. In x, the
    weight of step t = 1, 2, ... is t^r times the largest learning rate so far to the power of
    `weight_lr_power`.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: LearningRate,
        momentum: Interpolation = 0.9,
        weight_decay: NotNegative = 0.0,
        warmup_steps: Steps = 0,
        r: Power = 0.0,
        weight_lr_power: Power = 2.0,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            r=r,
            weight_lr_power=weight_lr_power,
        )
