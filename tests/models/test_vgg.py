import pytest
import torch
import torch.nn.functional as F

from polyak.models.vgg import VGG
from tests.models.networks import lived_in, norm, parameter_count

SHAPE = (3, 32, 32)
STACKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


@pytest.mark.parametrize(
    ("depth", "batch_norm", "count"),
    [
        # Convolutions of configuration D: 14,714,688 (torchvision's vgg16 less its classifier).
        (16, False, 14_714_688 + 2 * (512 * 512 + 512) + 512 * 10 + 10),
        (16, True, 15_245_130 + 2 * sum(map(sum, STACKS))),
        (19, False, 20_024_384 + 2 * (512 * 512 + 512) + 512 * 10 + 10),
    ],
)
def test_has_the_papers_convolutions_and_the_small_classifier(depth, batch_norm, count):
    assert parameter_count(VGG, SHAPE, 10, depth, batch_norm) == count


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 33, 64)], ids=str)
def test_is_the_papers_function_by_the_names_of_the_swa_code(shape, batch_norm):
    """Written out, where a pool of an odd side has a border of nothing on its far side."""
    model = lived_in(VGG(shape, 10, batch_norm=batch_norm))
    state = model.state_dict()
    images = values = torch.randn(2, *shape)
    index = 0
    for stack in STACKS:
        for _ in stack:
            weight, bias = (state[f"features.{index}.{key}"] for key in ("weight", "bias"))
            values = F.conv2d(values, weight, bias, padding=1)
            if batch_norm:
                values = norm(values, state, f"features.{index + 1}")
            values = values.relu()
            index += 2 + batch_norm
        height, width = values.shape[2:]
        values = F.pad(values, (0, width % 2, 0, height % 2), value=-torch.inf)
        values = F.max_pool2d(values, 2)
        index += 1
    values = values.flatten(1)
    for layer in (1, 4, 6):
        weight, bias = (state[f"classifier.{layer}.{key}"] for key in ("weight", "bias"))
        values = F.linear(values, weight, bias)
        values = values.relu() if layer < 6 else values
    torch.testing.assert_close(model(images), values, rtol=1e-4, atol=1e-5)


def test_drops_half_of_each_hidden_layers_inputs_while_training():
    classifier = VGG(SHAPE, 10).classifier
    torch.manual_seed(0)
    for index in (0, 3):
        kept = classifier[index].train()(torch.ones(10_000)) != 0
        assert kept.float().mean().item() == pytest.approx(0.5, abs=0.03)
