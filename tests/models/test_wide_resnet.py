import pytest
import torch
import torch.nn.functional as F

from polyak.models.wide_resnet import WideResNet
from tests.models.networks import lived_in, norm, parameter_count

SHAPE = (3, 32, 32)


@pytest.mark.parametrize(
    ("depth", "widen", "classes", "count"),
    [
        (16, 10, 10, 17_116_634),
        (28, 10, 10, 36_479_194),
        (28, 10, 100, 36_536_884),
        (40, 8, 10, 35_748_314),
    ],
)
def test_has_as_many_parameters_as_the_paper(depth, widen, classes, count):
    """Zagoruyko and Komodakis 2016 say 17.1, 36.5 and 35.7 M; the numbers are those that
    osmr/imgclsmob asserts in pytorchcv/models/wrn_cifar.py."""
    assert parameter_count(WideResNet, SHAPE, classes, depth, widen) == count


def test_is_the_papers_function():
    """Written out from the authors' code: a shortcut that changes the width is behind the norm."""
    model = lived_in(WideResNet(SHAPE, 10, depth=16, widen=2, dropout=0.3).double())
    state = model.state_dict()
    images = torch.randn(2, *SHAPE, dtype=torch.float64)
    values = F.conv2d(images, state["conv1.weight"], padding=1)
    for stage in (1, 2, 3):
        for unit in (0, 1):
            name = f"layer{stage}.{unit}"
            stride = 2 if stage > 1 and unit == 0 else 1
            active = norm(values, state, f"{name}.bn1").relu()
            hidden = F.conv2d(active, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            hidden = norm(hidden, state, f"{name}.bn2").relu()
            hidden = F.conv2d(hidden, state[f"{name}.conv2.weight"], padding=1)
            if unit == 0:
                values = F.conv2d(active, state[f"{name}.shortcut.weight"], stride=stride)
            values = values + hidden
    values = norm(values, state, "bn").relu()
    expected = values.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(model(images), expected)


def test_width_one_has_an_identity_in_its_first_stage():
    model = WideResNet(SHAPE, 10, depth=10, widen=1)
    shortcuts = [name for name in model.state_dict() if "shortcut" in name]
    assert shortcuts == ["layer2.0.shortcut.weight", "layer3.0.shortcut.weight"]


def test_drops_between_a_units_convolutions_while_training():
    torch.manual_seed(0)
    unit = WideResNet(SHAPE, 10, depth=10, widen=1, dropout=0.5).layer1[0]
    seen = []
    unit.conv2.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    images = torch.randn(4, 16, 8, 8)
    for training in (False, True):
        unit.train(training)(images)
    untouched, dropped = ((values == 0).float().mean().item() for values in seen)
    assert untouched == pytest.approx(0.5, abs=0.1)  # by the ReLU alone
    assert dropped == pytest.approx(0.75, abs=0.05)


def test_the_linear_layer_has_no_bias_at_first():
    model = WideResNet(SHAPE, 10, depth=10, widen=1)
    assert not model.fc.bias.any()
    assert all(layer.bias is None for layer in model.modules() if hasattr(layer, "kernel_size"))
