"""The schedule-free optimizers: against the library in a plain loop, to the bit, and against the
method's three sequences written out."""

import sys
from functools import partial
from itertools import islice

import pytest
import schedulefree
import torch
import torch.nn.functional as F
from torch import nn

from polyak.config import choices
from polyak.config.compose import configured
from polyak.data.inputs import Scaling, scale
from polyak.errors import ConfigError
from polyak.models.initial import initial_model
from polyak.training.decay import parameters
from polyak.training.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from polyak.training.optimizers.schedule_free_sgd import ScheduleFreeSGD
from polyak.training.order import epoch_order
from polyak.training.schedules.cosine import Cosine
from polyak.training.trainer import Trainer
from tests.small import learnable, make_recipe, network

COUNT, BATCH, STEPS = 65, 16, 5

OPTIONS = {"weight_decay": 0.05, "warmup_steps": 7, "r": 0.75}
SGD = partial(ScheduleFreeSGD, lr=0.5, momentum=0.8, **OPTIONS)
ADAMW = partial(ScheduleFreeAdamW, lr=0.01, betas=(0.8, 0.95), **OPTIONS)
OF_THE_LIBRARY = {
    SGD: partial(schedulefree.SGDScheduleFree, lr=0.5, momentum=0.8, **OPTIONS),
    ADAMW: partial(schedulefree.AdamWScheduleFree, lr=0.01, betas=(0.8, 0.95), **OPTIONS),
}
both = pytest.mark.parametrize("optimizer", [SGD, ADAMW], ids=["sgd", "adamw"])


@pytest.fixture
def images():
    return torch.from_numpy(learnable(COUNT, seed=0)["images"]).permute(0, 3, 1, 2).contiguous()


@pytest.fixture
def labels():
    return torch.from_numpy(learnable(COUNT, seed=0)["labels"]).long()


def begin(optimizer, images, labels, **options):
    recipe = make_recipe(optimizer=optimizer, batch_size=BATCH, **options)
    return Trainer.begin(recipe, images, labels)


def plain(optimizer, images, labels, *, epochs, decay="all", clip=None, steps=STEPS, factor=None):
    """The library's optimizer in a loop as its authors write it: the model after each epoch, of
    which the first has so many `steps`."""
    model = initial_model(network, seed=0)
    library, found = OF_THE_LIBRARY[optimizer](parameters(model, decay)), []
    rate = library.param_groups[0]["lr"]
    for epoch in range(epochs):
        library.train()
        batches = epoch_order(COUNT, 0, epoch).split(BATCH)
        for batch in batches[: steps if epoch == 0 else STEPS]:
            for group in library.param_groups:
                group["lr"] = rate * (factor(epoch) if factor else 1)
            library.zero_grad()
            loss = F.cross_entropy(model(scale(images[batch], Scaling())), labels[batch])
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            library.step()
        library.eval()
        found.append({name: one.detach().clone() for name, one in model.named_parameters()})
    return found


def assert_same(model, wanted):
    for name, one in model.named_parameters():
        assert torch.equal(one, wanted[name]), name


@both
@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, {}),
        ({"decay": "weights"}, {"decay": "weights"}),
        ({"clip_norm": 0.5}, {"clip": 0.5}),
        (
            {"schedule": Cosine(), "planned_epochs": 3},
            {"factor": lambda epoch: Cosine().factor(epoch, 3)},
        ),
    ],
    ids=lambda value: ",".join(value),
)
def test_epochs_are_the_librarys_to_the_bit(optimizer, options, same, images, labels):
    trainer = begin(optimizer, images, labels, **options)
    wanted = plain(optimizer, images, labels, epochs=3, **same)
    for epoch in range(3):
        assert len(list(trainer.steps(epoch))) == STEPS
        assert_same(trainer.model, wanted[epoch])
    if options:
        without = plain(optimizer, images, labels, epochs=3)[-1]
        assert any(not torch.equal(without[name], wanted[-1][name]) for name in without)


@both
def test_an_epoch_that_is_left_ends_at_the_mean_and_the_next_one_goes_on(optimizer, images, labels):
    trainer = begin(optimizer, images, labels)
    wanted = plain(optimizer, images, labels, epochs=2, steps=2)
    steps = trainer.steps(0)
    assert len(list(islice(steps, 2))) == 2
    steps.close()  # as leaving a for loop does
    assert_same(trainer.model, wanted[0])
    list(trainer.steps(1))
    assert_same(trainer.model, wanted[1])


def three_sequences(images, labels, moments=None):
    """An epoch of the paper's algorithm 1 in float64, with weights t^r lr^2: x and y after it. With
    `moments`, the decay of Adam's second moment, gradients are divided by its root."""
    model = initial_model(network, seed=0).double()
    z = [one.detach().clone() for one in model.parameters()]
    x, seconds, total = [one.clone() for one in z], [torch.zeros_like(one) for one in z], 0.0
    order, (lr, beta, decay) = epoch_order(COUNT, 0, 0), (0.01 if moments else 0.5, 0.8, 0.05)
    for step in range(1, STEPS + 1):
        y = [(1 - beta) * one + beta * other for one, other in zip(z, x, strict=True)]
        for parameter, one in zip(model.parameters(), y, strict=True):
            parameter.data = one
        batch = order[BATCH * (step - 1) : BATCH * step]
        logits = model(scale(images[batch], Scaling()).double())
        gradients = torch.autograd.grad(F.cross_entropy(logits, labels[batch]), model.parameters())
        rate = lr * min(1, step / OPTIONS["warmup_steps"])
        weight = step ** OPTIONS["r"] * rate**2
        total += weight
        for i, gradient in enumerate(gradients):
            if moments:
                seconds[i] = moments * seconds[i] + (1 - moments) * gradient**2
                gradient = gradient / ((seconds[i] / (1 - moments**step)).sqrt() + 1e-8)
            z[i] = z[i] - rate * (gradient + decay * y[i])
            x[i] = (1 - weight / total) * x[i] + weight / total * z[i]
    return x, [(1 - beta) * one + beta * other for one, other in zip(z, x, strict=True)]


@pytest.mark.parametrize(("optimizer", "moments"), [(SGD, None), (ADAMW, 0.95)], ids=str)
def test_the_model_has_x_after_an_epoch_and_y_within_the_next(optimizer, moments, images, labels):
    recipe = make_recipe(model=lambda: InFloat64(network()), optimizer=optimizer, batch_size=BATCH)
    trainer = Trainer.begin(recipe, images, labels)
    list(trainer.steps(0))
    x, y = three_sequences(images, labels, moments)
    for one, wanted in zip(trainer.model.parameters(), x, strict=True):
        torch.testing.assert_close(one.detach(), wanted, rtol=0, atol=1e-6)
    assert max((one - other).abs().max() for one, other in zip(x, y, strict=True)) > 1e-3
    trainer.optimizer.train()
    for one, wanted in zip(trainer.model.parameters(), y, strict=True):
        torch.testing.assert_close(one.detach(), wanted, rtol=0, atol=1e-6)


class InFloat64(nn.Module):
    """A network that computes in float64."""

    def __init__(self, network):
        super().__init__()
        self.network = network.double()

    def forward(self, images):
        return self.network(images.double())


def weights(model):
    return torch.cat([one.detach().flatten() for one in model.parameters()])


@both
def test_bf16_differs_by_its_rounding_and_keeps_float32_weights(optimizer, images, labels):
    found = {}
    for precision in ("fp32", "bf16"):
        trainer = begin(optimizer, images, labels, precision=precision)
        list(trainer.steps(0))
        found[precision] = weights(trainer.model)
    assert found["bf16"].dtype == torch.float32
    distance = (found["bf16"] - found["fp32"]).norm() / found["fp32"].norm()
    assert 0 < distance < 0.02


REFUSED = {
    "schedule_free_sgd optimizer.momentum=0.0": "optimizer.momentum = 0.0: input should be greater",
    "schedule_free_sgd optimizer.momentum=1.0": "optimizer.momentum = 1.0: input should be less",
    "schedule_free_sgd optimizer.lr=0.0": "optimizer.lr = 0.0",
    "schedule_free_sgd optimizer.warmup_steps=-1": "optimizer.warmup_steps = -1",
    "schedule_free_sgd optimizer.warmup_steps=0.05": "optimizer.warmup_steps = 0.05",
    "schedule_free_sgd optimizer.r=-0.5": "optimizer.r = -0.5",
    "schedule_free_sgd optimizer.weight_lr_power=11.0": "optimizer.weight_lr_power = 11.0",
    "schedule_free_sgd +optimizer.foreach=false": "optimizer.foreach = False: there is no such key",
    "schedule_free_adamw optimizer.betas=[0.0,0.999]": "optimizer.betas.0 = 0.0",
    "schedule_free_adamw optimizer.betas=[0.9,1.0]": "optimizer.betas.1 = 1.0",
    "schedule_free_adamw optimizer.weight_decay=-0.1": "optimizer.weight_decay = -0.1",
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_is_out_of_range_is_refused(override):
    with pytest.raises(ConfigError) as caught:
        configured(f"optimizer={override}".split(" "))
    assert REFUSED[override] in str(caught.value)


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_without_the_library_a_config_is_checked_and_a_run_says_how_to_install_it(
    name, monkeypatch
):
    package = "polyak.training.optimizers"
    monkeypatch.setitem(sys.modules, "schedulefree", None)
    for module in ("schedule_free", name):
        monkeypatch.delitem(sys.modules, f"{package}.{module}", raising=False)
    values = configured([f"optimizer={name}"]).resolved["optimizer"]
    with pytest.raises(ConfigError, match=r"can't be imported .* pip install -e '\.\[schedulefree"):
        choices.make("optimizer", values, partial=True)
