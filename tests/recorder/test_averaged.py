"""A model, for a while with the mean of its epochs."""

import pytest
import torch
from torch import nn

import polyak
from polyak.averaging.mean import mean_of_states
from polyak.errors import ConfigError, StoreError
from polyak.recorder.averaged import averaged
from polyak.store import paths


def copied(model):
    return {name: one.detach().clone() for name, one in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def trained(tmp_path):
    model, states = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), []
    with polyak.Recorder(tmp_path / "run", model, settings={}) as recorder:
        for _ in range(3):
            with torch.no_grad():
                model[0].weight.add_(torch.randn(2, 3))
            recorder.epoch()
            states.append(copied(model))
    return model, states, tmp_path / "run"


def test_it_has_the_mean_and_then_its_own_weights(trained):
    model, states, directory = trained
    batches = [torch.randn(8, 3), torch.randn(8, 3)]
    with averaged(nn.DataParallel(model), directory, 1, batches=batches):
        found, expected = copied(model), mean_of_states(states[1:])
        assert torch.equal(found["0.weight"], expected["0.weight"])
        values = model[0](torch.cat(batches))
        torch.testing.assert_close(found["1.running_mean"], values.mean(0))
    assert same(copied(model), states[-1])
    with pytest.raises(ZeroDivisionError), averaged(model, directory, 0, 1, batches=batches):
        1 // int(not torch.equal(model[0].weight, states[0]["0.weight"]))
    assert same(copied(model), states[-1])


def test_what_can_not_be_averaged(trained):
    model, states, directory = trained
    given = {"batches": [torch.randn(8, 3)]}
    with pytest.raises(ConfigError, match=r"1\.running_mean: .* allowed: batches"):
        averaged(model, directory, 0).__enter__()
    for start, end in [(3, None), (2, 2), (-1, 2), (0, 4)]:
        with pytest.raises(ConfigError, match="allowed: a window of the 3 epochs"):
            averaged(model, directory, start, end, **given).__enter__()
    path = paths.checkpoint(directory, 1)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(StoreError, match=r"epoch_001.safetensors: is missing, or not as"):
        averaged(model, directory, 0, **given).__enter__()
    assert same(copied(model), states[-1])
