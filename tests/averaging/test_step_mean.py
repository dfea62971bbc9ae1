from fractions import Fraction

import pytest
import torch
from torch import nn

from polyak.averaging import step_mean
from polyak.averaging.step_mean import StepMean
from polyak.errors import CheckpointError
from polyak.models.small_cnn import SmallCNN


def walk(tensors, generator):
    """A step of training, as far as a mean sees it: small moves, in place."""
    for tensor in tensors:
        tensor += 0.01 * torch.randn(tensor.shape, generator=generator)


def exact(values):
    """The rational mean of float32 tensors, rounded once to float32 (by way of float64, whose
    rounding the random entries here don't notice)."""
    entries = zip(*(value.flatten().tolist() for value in values), strict=True)
    means = [float(sum(map(Fraction, entry)) / len(values)) for entry in entries]
    return torch.tensor(means, dtype=torch.float64).float().reshape(values[0].shape)


def mean_of_a_walk(model, steps=37):
    generator = torch.Generator().manual_seed(1)
    parameters = [parameter.data for parameter in model.parameters()]
    mean, seen = StepMean(model), []
    for _ in range(steps):
        walk(parameters, generator)
        mean.add()
        seen.append({name: one.clone() for name, one in model.state_dict().items()})
    return mean.result(), seen


@pytest.mark.parametrize("channels_last", [False, True])
def test_every_entry_is_the_correctly_rounded_mean(channels_last):
    torch.manual_seed(0)
    model = SmallCNN((3, 8, 8), 10, channels=(4, 8), hidden=16)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    found, seen = mean_of_a_walk(model)
    assert list(found) == list(model.state_dict())
    for name, tensor in found.items():
        assert torch.equal(tensor, exact([state[name] for state in seen]))
        total = sum(state[name].double() for state in seen)
        assert torch.equal(tensor, (total / len(seen)).float())


def test_float32_parts_give_the_bits_of_float64(monkeypatch):
    """Where there is no float64: on the same walk, over many orders of magnitude."""

    def wide():
        torch.manual_seed(0)
        model = nn.Linear(40, 50)
        with torch.no_grad():
            model.weight.mul_(10 ** (4 * torch.randn(50, 40, generator=torch.manual_seed(2))))
        return model

    wanted, _ = mean_of_a_walk(wide(), steps=500)
    monkeypatch.setattr(step_mean, "_sum_of", step_mean._Compensated)
    found, _ = mean_of_a_walk(wide(), steps=500)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False)
        self.second = nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(3)


def test_statistics_are_averaged_integers_are_the_latest_and_ties_stay():
    model, generator = Tied(), torch.Generator().manual_seed(0)
    mean, running = StepMean(model), []
    for _ in range(5):
        walk([model.first.weight.data], generator)
        model.norm(torch.randn(8, 3, generator=generator))
        running.append(model.norm.running_mean.clone())
        mean.add()
    found = mean.result()
    assert found["first.weight"] is found["second.weight"]
    assert torch.equal(found["norm.running_mean"], exact(running))
    assert found["norm.num_batches_tracked"] == 5
    model.norm.num_batches_tracked += 1
    assert found["norm.num_batches_tracked"] == 5  # a copy


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_dtypes_are_rounded_once_to_their_own(dtype):
    model = nn.Linear(3, 4).to(dtype)
    mean = StepMean(model)
    for value in (1.0, 2.0, 2.0):
        model.weight.data.fill_(value)
        mean.add()
    found = mean.result()["weight"]
    assert found.dtype == dtype
    assert torch.equal(found, torch.full((4, 3), 5 / 3, dtype=torch.float64).to(dtype))


def test_a_tensor_that_is_replaced_is_an_error_and_nothing_added_too():
    model = nn.Linear(3, 4)
    mean = StepMean(model)
    with pytest.raises(ValueError, match="needs at least one"):
        mean.result()
    mean.add()
    model.weight = nn.Parameter(torch.zeros(4, 3))
    with pytest.raises(CheckpointError, match="weight is another tensor than at the interval's"):
        mean.result()
