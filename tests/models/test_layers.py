import pytest
import torch
from torch import nn

from polyak.models.layers import Flatten, he_normal


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_flatten_is_nn_flatten_and_its_gradient_keeps_the_inputs_format(memory_format):
    values = torch.randn(4, 3, 5, 6).contiguous(memory_format=memory_format)
    slopes = torch.randn(4, 90)
    results = []
    for flatten in (Flatten(), nn.Flatten()):
        leaf = values.clone().requires_grad_()
        inputs = leaf * 1
        seen = []
        inputs.register_hook(seen.append)
        outputs = flatten(inputs)
        outputs.backward(slopes)
        results.append((outputs.detach(), leaf.grad, seen[0]))
    (ours, our_gradient, seen_ours), (plain, gradient, _) = results
    assert torch.equal(ours, plain)
    assert torch.equal(our_gradient, gradient)
    assert seen_ours.is_contiguous(memory_format=memory_format)


def test_flatten_takes_what_is_flat():
    values = torch.randn(4, 3, requires_grad=True)
    Flatten()(values).sum().backward()
    assert torch.equal(values.grad, torch.ones(4, 3))


def test_he_normal_is_by_kernel_and_channels_out_and_touches_no_other_layer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 100, 3), nn.BatchNorm2d(100), nn.Linear(4, 4))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    he_normal(model)
    weight = model[0].weight
    assert weight.std().item() == pytest.approx((2 / (3 * 3 * 100)) ** 0.5, rel=0.03)
    assert weight.mean().item() == pytest.approx(0, abs=0.002)
    assert weight.abs().max() > 3 * weight.std()  # no uniform one
    assert not model[0].bias.any()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) != name.startswith("0."), name
