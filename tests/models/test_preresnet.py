import pytest
import torch
import torch.nn.functional as F

from polyak.models.preresnet import PreResNet
from tests.models.networks import lived_in, norm, parameter_count

SHAPE = (3, 32, 32)


@pytest.mark.parametrize(
    ("depth", "classes", "count"),
    [
        (20, 10, 272_282),
        (56, 10, 855_578),
        (110, 10, 1_730_522),
        (110, 100, 1_736_372),
        (164, 10, 1_703_258),
        (164, 100, 1_726_388),
    ],
)
def test_has_as_many_parameters_as_the_papers(depth, classes, count):
    """He et al. 2016 say 1.7 M of 110 and 164; the numbers are those that osmr/imgclsmob asserts
    in pytorchcv/models/preresnet_cifar.py."""
    assert parameter_count(PreResNet, SHAPE, classes, depth) == count


@pytest.mark.parametrize(
    ("depth", "kernels", "strided", "count"), [(20, (3, 3), 1, 3), (164, (1, 3, 1), 2, 18)]
)
def test_is_the_papers_function_by_the_names_of_the_swa_code(depth, kernels, strided, count):
    """Written out from the paper's equations, with the state dict of timgaripov/swa's names."""
    model = lived_in(PreResNet(SHAPE, 10, depth).double())
    state = model.state_dict()
    used = []

    def weight(name):
        used.append(f"{name}.weight")
        return state[used[-1]]

    images = torch.randn(2, *SHAPE, dtype=torch.float64)
    values = F.conv2d(images, weight("conv1"), padding=1)
    for stage in (1, 2, 3):
        for unit in range(count):
            name = f"layer{stage}.{unit}"
            stride = 2 if stage > 1 and unit == 0 else 1
            hidden = values
            for index, kernel in enumerate(kernels, start=1):
                hidden = F.conv2d(
                    norm(hidden, state, f"{name}.bn{index}").relu(),
                    weight(f"{name}.conv{index}"),
                    stride=stride if index == strided else 1,
                    padding=kernel // 2,
                )
            if values.shape != hidden.shape:
                values = F.conv2d(values, weight(f"{name}.downsample.0"), stride=stride)
            values = values + hidden
    values = norm(values, state, "bn").relu()
    expected = values.mean((2, 3)) @ weight("fc").T + state["fc.bias"]
    torch.testing.assert_close(model(images), expected)
    assert [n for n in used if n.endswith("weight")] == [
        name for name in state if name.endswith("weight") and ".bn" not in name and name[:2] != "bn"
    ]


def test_units_keep_height_and_width_but_for_two_halvings():
    model = PreResNet((1, 28, 28), 10, depth=8)
    hidden = model.conv1(torch.zeros(2, 1, 28, 28))
    sides = [(hidden := layer(hidden)).shape[1:] for layer in (model.layer1, model.layer2)]
    assert sides == [(16, 28, 28), (32, 14, 14)]
    assert model.layer3(hidden).shape[1:] == (64, 7, 7)


def test_a_depth_that_fits_both_may_be_of_either_unit():
    """110 of bottlenecks is the one of Izmailov et al.'s code: 12 in each stage."""
    with torch.device("meta"):
        bottlenecks = PreResNet((3, 32, 32), 10, depth=110, bottleneck=True)
        basic = PreResNet((3, 32, 32), 10, depth=164, bottleneck=False)
    assert [len(stage) for stage in (bottlenecks.layer1, basic.layer1)] == [12, 27]
    assert (bottlenecks.fc.in_features, basic.fc.in_features) == (256, 64)
    with pytest.raises(ValueError, match=r"depth 8 is no 9n \+ 2"):
        PreResNet((3, 32, 32), 10, depth=8, bottleneck=True)
