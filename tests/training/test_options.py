"""The training options: each against a plain loop in float64, and in the fingerprint."""

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from polyak.data.inputs import Scaling, scale
from polyak.models.initial import initial_model
from polyak.training.decay import parameters
from polyak.training.epoch import train_epoch
from polyak.training.order import epoch_order
from polyak.training.schedules.cosine import Cosine
from polyak.training.trainer import Trainer
from tests.small import learnable, make_recipe, network

COUNT, BATCH = 65, 16


@pytest.fixture
def images():
    return torch.from_numpy(learnable(COUNT, seed=0)["images"]).permute(0, 3, 1, 2).contiguous()


@pytest.fixture
def labels():
    return torch.from_numpy(learnable(COUNT, seed=0)["labels"]).long()


SGD = partial(torch.optim.SGD, lr=0.2, momentum=0.9, weight_decay=0.05)


def steps_of(recipe, images, labels, epochs=1):
    """The parameters after those epochs, and each step's learning rate."""
    trainer, rates = Trainer.begin(recipe, images, labels), []
    for epoch in range(epochs):
        rates += [trainer.optimizer.param_groups[0]["lr"] for _ in trainer.steps(epoch)]
    return dict(trainer.model.named_parameters()), rates


def plain(images, labels, *, smoothing=0.0, clip=None, drop=False, decay=lambda _: 0.05):
    """An epoch of momentum SGD written out."""
    model = initial_model(network, seed=0)
    momenta = {name: torch.zeros_like(one) for name, one in model.named_parameters()}
    order = epoch_order(COUNT, 0, 0)
    for start in range(0, COUNT - BATCH + 1 if drop else COUNT, BATCH):
        batch = order[start : start + BATCH]
        found = F.log_softmax(model(scale(images[batch], Scaling())), dim=1)
        target = F.one_hot(labels[batch], 10) * (1 - smoothing) + smoothing / 10
        model.zero_grad()
        (-(target * found).sum(1)).mean().backward()
        norm = torch.sqrt(sum((one.grad**2).sum() for one in model.parameters()))
        factor = 1.0 if clip is None else min(1.0, clip / (norm.item() + 1e-6))
        with torch.no_grad():
            for name, one in model.named_parameters():
                gradient = factor * one.grad + decay(one) * one
                momenta[name] = 0.9 * momenta[name] + gradient
                one -= 0.2 * momenta[name]
    return dict(model.named_parameters())


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, {}),
        ({"label_smoothing": 0.1}, {"smoothing": 0.1}),
        ({"clip_norm": 0.5}, {"clip": 0.5}),
        ({"drop_last": True}, {"drop": True}),
        ({"decay": "weights"}, {"decay": lambda one: 0.05 if one.dim() > 1 else 0.0}),
    ],
    ids=lambda value: ",".join(value),
)
def test_an_epoch_with_an_option_is_a_plain_loops(images, labels, options, same):
    found, _ = steps_of(make_recipe(optimizer=SGD, batch_size=BATCH, **options), images, labels)
    wanted = plain(images, labels, **same)
    without = plain(images, labels)
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-4, atol=1e-5)
    if options:
        assert any((found[name] - without[name]).abs().max() > 1e-3 for name in wanted)


def test_a_short_last_batch_is_left_out_and_no_full_one(images, labels):
    recipe = make_recipe(batch_size=BATCH, drop_last=True)
    for count, steps in ((65, 4), (64, 4), (79, 4), (80, 5), (16, 1)):
        trainer = Trainer.begin(recipe, images.repeat(2, 1, 1, 1)[:count], labels.repeat(2)[:count])
        sizes = [step.images for step in trainer.steps(0)]
        assert sizes == [BATCH] * steps
        assert recipe.steps(count) == steps


def test_the_learning_rate_goes_by_epochs_or_by_steps(images, labels):
    schedule = Cosine()
    recipe = make_recipe(optimizer=SGD, batch_size=BATCH, schedule=schedule, planned_epochs=2)
    _, by_epoch = steps_of(recipe, images, labels, epochs=2)
    assert by_epoch == [0.2] * 5 + [pytest.approx(0.1)] * 5
    _, by_step = steps_of(replace(recipe, per="step"), images, labels, epochs=2)
    assert by_step == [0.2 * schedule.factor(step / 5, 2) for step in range(10)]
    assert by_step == sorted(by_step, reverse=True)


def test_all_parameters_are_in_one_group_or_the_other():
    model = network()
    weights, others = parameters(model, "weights")
    assert {one.dim() for one in weights["params"]} == {2, 4}
    assert {one.dim() for one in others["params"]} == {1}
    assert others["weight_decay"] == 0.0
    both = {id(one) for group in (weights, others) for one in group["params"]}
    assert both == {id(one) for one in model.parameters()}
    assert [*parameters(model, "all")] == [*model.parameters()]


def test_the_loss_that_an_epoch_reports_is_the_smoothed_one(images, labels):
    recipe = make_recipe(
        optimizer=partial(torch.optim.SGD, lr=1e-12), batch_size=BATCH, label_smoothing=0.3
    )
    found = train_epoch(Trainer.begin(recipe, images, labels), 0).loss
    logits = initial_model(network, seed=0)(scale(images, Scaling()))
    assert found == pytest.approx(F.cross_entropy(logits, labels, label_smoothing=0.3).item())
