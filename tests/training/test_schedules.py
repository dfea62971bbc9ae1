import pytest
import torch

from polyak.training.schedules.constant import Constant
from polyak.training.schedules.cosine import Cosine
from polyak.training.schedules.step import Step


def of_torch(make, epochs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    factors = []
    for _ in range(epochs):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return factors


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Constant(), lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0)),
        (
            Cosine(minimum=0.1),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=20, eta_min=0.1),
        ),
        (
            Step(every=7, gamma=0.3),
            lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=7, gamma=0.3),
        ),
    ],
)
def test_gives_torchs_learning_rates(ours, theirs):
    factors = [ours.factor(epoch, 20) for epoch in range(20)]
    assert factors == pytest.approx(of_torch(theirs, 20), rel=1e-12)
