import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.article import ArticleCNN
from polyak.models.small_cnn import SmallCNN
from tests.models.networks import lived_in, norm


def make(**options):
    torch.manual_seed(0)
    return SmallCNN(**{"input_shape": (3, 32, 32), "classes": 10} | options)


def test_has_the_articles_names_shapes_and_initial_weights():
    torch.manual_seed(0)
    article = ArticleCNN().state_dict()
    ours = make().state_dict()
    assert list(ours) == list(article)
    for name, tensor in article.items():
        assert torch.equal(ours[name], tensor), name


def test_gives_the_articles_outputs_and_gradients():
    ours, article = make(), ArticleCNN()
    article.load_state_dict(ours.state_dict())
    images = torch.randn(8, 3, 32, 32)
    for model in (ours, article):
        model(images).logsumexp(1).sum().backward()
    torch.testing.assert_close(ours(images), article(images), rtol=1e-5, atol=1e-6)
    for (name, one), other in zip(ours.named_parameters(), article.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-4, msg=name)


def test_relu_after_the_pool_has_the_bits_of_relu_before_it():
    """Also where a window's largest value is shared, negative or zero."""
    torch.manual_seed(0)
    values = torch.randint(-2, 3, (64, 8, 6, 6)).float()
    slopes = torch.randn(64, 8, 3, 3)
    results = []
    for layers in ([nn.ReLU(), nn.MaxPool2d(2)], [nn.MaxPool2d(2), nn.ReLU()]):
        inputs = values.clone().requires_grad_()
        outputs = nn.Sequential(*layers)(inputs)
        outputs.backward(slopes)
        results.append((outputs.detach(), inputs.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 17, 9), (4, 8, 8)])
def test_takes_other_shapes_and_classes(shape):
    assert make(input_shape=shape, classes=7)(torch.zeros(2, *shape)).shape == (2, 7)


def test_widths_can_be_chosen():
    shapes = [tuple(tensor.shape) for tensor in make(channels=[4, 8], hidden=5).parameters()]
    assert shapes[0] == (4, 3, 3, 3)
    assert shapes[2] == (8, 4, 3, 3)
    assert shapes[4] == (5, 8 * 16 * 16)


def test_batch_norm_follows_each_convolution_in_place_of_its_bias():
    model = lived_in(make(batch_norm=True))
    state = model.state_dict()
    images = torch.randn(4, 3, 32, 32)
    values = F.conv2d(images, state["features.0.weight"], padding=1)
    values = norm(values, state, "features.1").relu()
    values = F.conv2d(values, state["features.3.weight"], padding=1)
    values = F.max_pool2d(norm(values, state, "features.4").relu(), 2).flatten(1)
    values = F.linear(values, state["classifier.1.weight"], state["classifier.1.bias"]).relu()
    values = F.linear(values, state["classifier.3.weight"], state["classifier.3.bias"])
    torch.testing.assert_close(model(images), values, rtol=1e-4, atol=1e-5)
    assert not {"features.0.bias", "features.3.bias"} & set(state)


def test_without_batch_norm_it_is_the_class_that_has_none():
    """To the last bit: names, the generator's draws, outputs and gradients."""
    torch.manual_seed(0)
    ours, drawn = SmallCNN((3, 32, 32), 10), torch.rand(1)
    torch.manual_seed(0)
    plain = nn.ModuleDict(
        {
            "features": nn.Sequential(
                nn.Conv2d(3, 32, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(32, 64, 3, padding=1),
                nn.MaxPool2d(2),
                nn.ReLU(),
            ),
            "classifier": nn.Sequential(
                nn.Flatten(), nn.Linear(64 * 16 * 16, 256), nn.ReLU(), nn.Linear(256, 10)
            ),
        }
    )
    assert torch.equal(drawn, torch.rand(1))
    assert list(ours.state_dict()) == list(plain.state_dict())
    images = torch.randn(8, 3, 32, 32)
    outputs = ours(images), plain["classifier"](plain["features"](images))
    assert torch.equal(*outputs)
    for one in outputs:
        one.logsumexp(1).sum().backward()
    for name, parameter in ours.named_parameters():
        assert torch.equal(parameter, plain.get_parameter(name)), name
        assert torch.equal(parameter.grad, plain.get_parameter(name).grad), name
