import pytest
import torch
from torch import nn

from benchmarks import article
from polyak.data import inputs
from polyak.data.inputs import Scaling
from polyak.errors import DivergedError
from polyak.models.initial import initial_model
from polyak.models.small_cnn import SmallCNN
from polyak.training import trainer
from polyak.training.epoch import train_epoch
from polyak.training.order import epoch_order
from polyak.training.trainer import Trainer
from tests.small import learnable, make_recipe, network


@pytest.fixture
def images():
    return torch.from_numpy(learnable(300, seed=0)["images"]).permute(0, 3, 1, 2).contiguous()


@pytest.fixture
def labels():
    return torch.from_numpy(learnable(300, seed=0)["labels"]).long()


def sgd(model, lr=0.05):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def run(model, images, labels, *, epoch=0, optimizer=None, on_step=lambda: None, **options):
    forward = options.pop("forward", None)
    recipe = make_recipe(**{"batch_size": 64} | options)
    made = Trainer(model, optimizer or sgd(model), recipe, images, labels, forward)
    return train_epoch(made, epoch, on_step=on_step)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


class InFloat64(nn.Module):
    """A model that computes in float64, between inputs and outputs in float32: what two
    implementations of the same steps differ by stays far below any wrong step."""

    def __init__(self, model):
        super().__init__()
        self.model = model.double()

    def forward(self, images):
        return self.model(images.double()).float()


def two_of(batches, wrap):
    """SmallCNN at full size and the article's class with the same weights; images and labels of
    `batches` batches of 8, the last one short."""
    torch.manual_seed(0)
    count = 8 * batches - 5
    images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8)
    labels = torch.randint(10, (count,))
    ours = initial_model(lambda: SmallCNN((3, 32, 32), 10), seed=3)
    plain = article.ArticleCNN()
    plain.load_state_dict(ours.state_dict())
    order = epoch_order(count, seed=3, epoch=0)
    return wrap(ours), wrap(plain), images, labels, order


def mean_of(losses, count, batch_size):
    sizes = [batch_size] * (len(losses) - 1) + [count - batch_size * (len(losses) - 1)]
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / count


def test_twenty_steps_are_the_articles_in_float64():
    """With a short last batch, at a learning rate at which float32 would drift apart."""
    ours, plain, images, labels, order = two_of(20, InFloat64)
    losses = next(article.train(plain, images, labels, [order], batch_size=8))
    before = weights(ours)
    result = run(ours, images, labels, seed=3, batch_size=8)
    assert result.loss == pytest.approx(mean_of(losses, len(labels), 8), rel=1e-6)
    torch.testing.assert_close(weights(ours), weights(plain), rtol=0, atol=1e-6)
    assert (weights(ours) - before).abs().max() > 1e-2


def test_one_step_is_the_articles_in_float32():
    """To the rounding of one step. Where an activation lies within it of zero, or two of them of
    each other, ReLU and the pool may choose otherwise: each such choice moves the gradient by about
    one in the square root of all its terms, some 10^5."""
    ours, plain, images, labels, order = two_of(2, lambda model: model)
    before = weights(ours)
    (loss,) = next(article.train(plain, images, labels, [order], batch_size=len(labels)))
    result = run(ours, images, labels, seed=3, batch_size=len(labels))
    assert result.loss == pytest.approx(loss, rel=1e-5)
    step = weights(plain) - before
    assert (weights(ours) - weights(plain)).norm() < 0.01 * step.norm()


def test_the_epochs_numbers_are_weighted_by_images(images, labels):
    """With a learning rate of nearly nothing, they are those of the model as it was."""
    model = network()
    result = run(model, images, labels, optimizer=sgd(model, 1e-12))
    with torch.inference_mode():
        logits = model(inputs.scale(images, Scaling()))
    assert result.loss == pytest.approx(nn.functional.cross_entropy(logits, labels).item())
    assert result.accuracy == (logits.argmax(1) == labels).double().mean().item()
    assert result.seconds > 0


def test_same_seed_and_epoch_same_bits_whatever_came_before(images, labels):
    results = []
    for disturbance in (0, 7):
        torch.manual_seed(disturbance)
        torch.rand(disturbance)
        model = initial_model(network, seed=1)
        run(model, images, labels, seed=1)
        results.append(weights(model))
    assert torch.equal(*results)


@pytest.mark.parametrize("changed", [{"seed": 2}, {"epoch": 1}])
def test_another_seed_or_epoch_takes_another_order(images, labels, changed):
    results = []
    for options in ({}, changed):
        model = initial_model(network, seed=1)
        run(model, images, labels, **options)
        results.append(weights(model))
    assert not torch.equal(*results)


def test_the_order_is_a_permutation_of_all():
    orders = [epoch_order(1000, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(torch.equal(order.sort().values, torch.arange(1000)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_dropout_repeats(images, labels):
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 10))
        torch.rand(len(results))
        run(model, images, labels)
        results.append(weights(model))
    assert torch.equal(*results)


def test_initial_weights_are_the_seeds_and_leave_the_global_generator_alone():
    torch.manual_seed(42)
    wanted = torch.rand(1)
    torch.manual_seed(42)
    first = weights(initial_model(network, seed=0))
    assert torch.equal(torch.rand(1), wanted)
    assert torch.equal(first, weights(initial_model(network, seed=0)))
    assert not torch.equal(first, weights(initial_model(network, seed=1)))


def test_on_step_is_called_for_every_batch_also_the_short_one(images, labels):
    steps = []
    run(network(), images, labels, on_step=lambda: steps.append(1))
    assert len(steps) == 5


def test_bf16_differs_by_its_rounding_and_keeps_float32_weights(images, labels):
    models = {precision: initial_model(network, seed=0) for precision in ("fp32", "bf16")}
    losses = {
        precision: run(model, images[:128], labels[:128], precision=precision).loss
        for precision, model in models.items()
    }
    assert all(parameter.dtype == torch.float32 for parameter in models["bf16"].parameters())
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)


@pytest.mark.parametrize("lr", [1e10, 1e25])
def test_divergence_names_epoch_and_lr(images, labels, lr):
    model = network()
    optimizer = sgd(model, lr)
    with pytest.raises(DivergedError) as caught:  # noqa: PT012
        for epoch in range(3, 9):
            run(model, images, labels, epoch=epoch, optimizer=optimizer)
    assert f"epoch {caught.value.epoch}" in str(caught.value)
    assert f"lr {lr:g}" in str(caught.value)


def test_weights_that_are_not_finite_are_divergence_too(images, labels):
    """The last step's weights are in no loss yet."""
    model = network()
    with pytest.raises(DivergedError, match="not finite at the end of epoch 0"):
        run(
            model,
            images[:64],
            labels[:64],
            optimizer=torch.optim.SGD(model.parameters(), lr=1e38, weight_decay=1e38),
        )


def test_learning_rate_is_a_factor_of_the_first_one():
    optimizer = sgd(network(), 0.2)
    for factor in (0.5, 0.25):
        trainer.set_learning_rate(optimizer, factor)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2 * factor)


def test_convolutions_run_channels_last_forward_and_backward():
    model = initial_model(network, seed=0)
    seen = []
    model.features[2].register_full_backward_hook(lambda _, __, outputs: seen.extend(outputs))
    model.features[2].register_forward_hook(lambda _, __, output: seen.append(output))
    model(torch.randn(4, 3, 8, 8)).sum().backward()
    assert len(seen) == 2
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in seen)
    assert not any(tensor.is_contiguous() for tensor in seen)


def test_a_compiled_model_trains_to_the_same_weights(images, labels):
    results = []
    for compiled in (False, True):
        model = InFloat64(initial_model(network, seed=0))
        # This backend needs no C++ compiler.
        forward = torch.compile(model, backend="aot_eager") if compiled else None
        run(model, images, labels, forward=forward)
        results.append(weights(model))
    torch.testing.assert_close(*results, rtol=0, atol=1e-6)
