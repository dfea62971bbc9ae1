"""Each schedule against torch's, or against what was published, written down once more."""

import math
from itertools import pairwise

import pytest
import torch
from torch.optim import lr_scheduler

from polyak.training.schedules.constant import Constant
from polyak.training.schedules.cosine import Cosine
from polyak.training.schedules.cyclic import Cyclic
from polyak.training.schedules.linear import Linear
from polyak.training.schedules.step import Step
from polyak.training.schedules.swa import SWA
from polyak.training.schedules.warmup_cosine import WarmupCosine

EPOCHS = 20
FALLING = [
    Constant(),
    Cosine(),
    Cosine(minimum=0.1),
    Step(every=7, gamma=0.3),
    SWA(start=15, swa_lr=0.01, lr=0.05),
    SWA(start=40, swa_lr=0.05, lr=0.05),
    Linear(),
    Linear(start=0.75, minimum=0.05),
    Linear(start=1.0),
    WarmupCosine(warmup=0.0, minimum=0.1),
    Cyclic(start=8, length=100, lowest=0.01, lr=0.05),
]
RISING_TOO = [
    WarmupCosine(warmup=2.5, initial=0.2),
    Cyclic(start=8, length=4, lowest=0.01, lr=0.05),
    Cyclic(start=0, length=3, lowest=0.01, lr=0.05),
]


def factors(schedule, epochs=EPOCHS):
    return [schedule.factor(epoch, epochs) for epoch in range(epochs)]


def of_torch(make, epochs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def warm_up_then_cosine(optimizer):
    rise = lr_scheduler.LinearLR(optimizer, start_factor=0.2, total_iters=4)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, T_max=16, eta_min=0.1)
    return lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[4])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Constant(), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
        (
            Cosine(minimum=0.1),
            lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=20, eta_min=0.1),
        ),
        (Step(every=7, gamma=0.3), lambda o: lr_scheduler.StepLR(o, step_size=7, gamma=0.3)),
        (
            Linear(minimum=0.1),
            lambda o: lr_scheduler.LinearLR(o, 1.0, end_factor=0.1, total_iters=20),
        ),
        (WarmupCosine(warmup=4.0, initial=0.2, minimum=0.1), warm_up_then_cosine),
    ],
    ids=lambda value: type(value).__name__,
)
def test_gives_torchs_learning_rates(ours, theirs):
    assert factors(ours) == pytest.approx(of_torch(theirs, EPOCHS), rel=1e-12)


@pytest.mark.parametrize(
    ("schedule", "before"),
    [
        (Constant(), lambda epoch, epochs: 1.0),
        (Step(every=7, gamma=0.3), lambda epoch, epochs: 0.3 ** (epoch // 7)),
        (
            Cosine(minimum=0.1),
            lambda epoch, epochs: 0.1 + (1 - 0.1) * (1 + math.cos(math.pi * epoch / epochs)) / 2,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whole_epochs_have_the_bits_that_they_had_before_there_were_fractions(schedule, before):
    for epochs in (1, 7, 20, 300):
        for epoch in range(epochs):
            assert schedule.factor(epoch, epochs) == before(epoch, epochs)
            assert schedule.factor(float(epoch), epochs) == before(epoch, epochs)


@pytest.mark.parametrize("start", [1, 3, 10, 161])
def test_swa_is_the_schedule_of_its_authors(start):
    def published(epoch, lr, swa_lr):
        """Izmailov et al.'s, as their training script computes it."""
        ratio = swa_lr / lr
        time = epoch / start
        return min(1.0, max(ratio, 1.0 - (1.0 - ratio) * (time - 0.5) / 0.4))

    schedule = SWA(start=start, swa_lr=0.02, lr=0.1)
    for step in range(10 * 2 * start):
        epoch = step / 10
        assert schedule.factor(epoch, 5) == pytest.approx(published(epoch, 0.1, 0.02), rel=1e-12)
    assert schedule.factor(0, 5) == schedule.factor(start / 2, 5) == 1.0
    assert schedule.factor(start, 5) == schedule.factor(50 * start, 5) == 0.02 / 0.1


def test_a_cyclic_rate_is_that_of_the_publication():
    schedule = Cyclic(start=6, length=4, lowest=0.01, lr=0.05)
    for i in range(1, 15):  # epochs from the first cycle's first on, counted from 1
        t = (math.fmod(i - 1, 4) + 1) / 4
        rate = (1 - t) * 0.05 + t * 0.01
        assert 0.05 * schedule.factor(6 + i - 1, 20) == pytest.approx(rate, rel=1e-12)
    assert factors(schedule)[:6] == [1.0] * 6


@pytest.mark.parametrize(("start", "length"), [(6, 4), (0, 3), (10, 1), (19, 2), (5, 100)])
def test_the_last_epoch_of_a_cycle_has_the_lowest_rate(start, length):
    schedule = Cyclic(start=start, length=length, lowest=0.01, lr=0.05)
    ends = schedule.cycle_ends(EPOCHS)
    lowest = [epoch for epoch, factor in enumerate(factors(schedule)) if factor == 0.01 / 0.05]
    assert lowest == list(ends)
    assert ends.step == length
    assert all(epoch - length + 1 >= start for epoch in ends)


def test_a_whole_learning_rate_schedule_by_hand():
    assert factors(Linear(start=0.5, minimum=0.5), 4) == [1, 1, 1, 0.75]
    assert factors(Cyclic(start=1, length=2, lowest=0.25, lr=0.5), 5) == [1, 0.75, 0.5, 0.75, 0.5]
    assert factors(SWA(start=10, swa_lr=0.1, lr=0.2), 10)[5:] == pytest.approx(
        [1, 1 - 0.125, 1 - 0.25, 1 - 0.375, 0.5]
    )
    warm = WarmupCosine(warmup=1.5, initial=0.25)
    assert factors(warm, 2) == pytest.approx([0.25, 0.75])
    assert warm.factor(1.5, 2) == 1.0
    assert warm.factor(1.75, 2) == pytest.approx(0.5)


def test_without_a_warm_up_it_is_a_cosine():
    assert factors(WarmupCosine(warmup=0.0, minimum=0.1)) == factors(Cosine(minimum=0.1))


@pytest.mark.parametrize("schedule", FALLING + RISING_TOO, ids=str)
def test_factors_are_above_0_and_at_most_1(schedule):
    found = [schedule.factor(step / 50, EPOCHS) for step in range(50 * EPOCHS)]
    assert min(found) > 0
    assert max(found) <= 1.0


@pytest.mark.parametrize("schedule", FALLING, ids=str)
def test_rates_only_fall(schedule):
    found = [schedule.factor(step / 50, EPOCHS) for step in range(50 * EPOCHS + 1)]
    assert all(later <= earlier for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("schedule", "end"),
    [
        (Cosine(minimum=0.1), 0.1),
        (Linear(minimum=0.1), 0.1),
        (Linear(start=0.8, minimum=0.0), 0.0),
        (WarmupCosine(warmup=3.0, minimum=0.1), 0.1),
        (SWA(start=20, swa_lr=0.01, lr=0.1), 0.1),
    ],
    ids=str,
)
def test_where_it_ends(schedule, end):
    assert schedule.factor(EPOCHS, EPOCHS) == pytest.approx(end, abs=1e-12)


JUMPS = {"Step": {7, 14}, "Cyclic": {0, 3, 6, 8, 9, 12, 15, 16, 18}}
"""Epochs at whose beginning the rate may jump."""


@pytest.mark.parametrize("schedule", FALLING + RISING_TOO, ids=str)
def test_within_an_epoch_the_rate_changes_bit_by_bit(schedule):
    steps = 1000
    allowed = JUMPS.get(type(schedule).__name__, set())
    for step in range(1, steps * EPOCHS):
        one, other = (schedule.factor(at / steps, EPOCHS) for at in (step - 1, step))
        if step % steps or step // steps not in allowed:
            assert abs(other - one) < 1.0 / steps, step / steps


@pytest.mark.parametrize(
    "schedule", [one for one in FALLING + RISING_TOO if not one.depends_on_epochs], ids=str
)
def test_a_number_of_epochs_that_is_not_depended_on_is_not_looked_at(schedule):
    for epochs in (1, 3, 1000):  # the trainer gives any, where none is planned
        assert [schedule.factor(epoch, epochs) for epoch in range(EPOCHS)] == factors(schedule)


@pytest.mark.parametrize(
    "schedule", [one for one in FALLING + RISING_TOO if one.depends_on_epochs], ids=str
)
def test_a_number_of_epochs_that_is_depended_on_matters(schedule):
    if schedule != Linear(start=1.0):
        assert schedule.factor(19, 20) != schedule.factor(19, 40)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SWA(start=10, swa_lr=0.06, lr=0.05), "swa_lr = 0.06: allowed: at most lr = 0.05"),
        (
            lambda: Cyclic(start=10, length=2, lowest=0.06, lr=0.05),
            "lowest = 0.06: allowed: at most lr = 0.05",
        ),
        (
            lambda: WarmupCosine(warmup=20.0).factor(0, 20),
            "warmup = 20: allowed: below training.epochs = 20",
        ),
    ],
)
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
