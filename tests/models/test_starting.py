import pytest
import torch

from polyak.errors import CheckpointError
from polyak.models.initial import initial_model
from polyak.models.small_cnn import SmallCNN
from polyak.models.starting import StartingFrom
from polyak.weights import checkpoint
from tests.small import network


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_model_starts_from_the_weights_of_a_file(tmp_path, suffix):
    wanted, path = initial_model(network, seed=5), tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save({"state_dict": wanted.state_dict()}, path)
    else:
        checkpoint.save(path, wanted.state_dict())
    make = StartingFrom(network, path)
    started = initial_model(make, seed=0)
    assert checkpoint.digest(started.state_dict()) == checkpoint.digest(wanted.state_dict())
    assert make.digest == checkpoint.digest(wanted.state_dict())
    assert started.features[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path):
    path = tmp_path / "weights.safetensors"
    checkpoint.save(path, network().state_dict())
    make = StartingFrom(lambda: SmallCNN((3, 8, 8), 10, channels=(4, 8), hidden=17), path)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: tensor 'classifier.1.bias'"):
        make()


def test_weights_that_change_under_a_run_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    checkpoint.save(path, initial_model(network, seed=1).state_dict())
    make = StartingFrom(network, path)
    checkpoint.save(path, initial_model(network, seed=2).state_dict())
    with pytest.raises(CheckpointError, match="has changed"):
        make()


@pytest.mark.parametrize(
    ("name", "value"), [("classifier.3.weight", float("nan")), ("features.1.running_var", -1.0)]
)
def test_values_that_no_network_has_are_refused(tmp_path, name, value):
    def make():
        return SmallCNN((3, 8, 8), 10, channels=(4, 8), hidden=16, batch_norm=True)

    path, state = tmp_path / "weights.safetensors", make().state_dict()
    state[name].flatten()[0] = value
    checkpoint.save(path, state)
    with pytest.raises(CheckpointError, match=rf"training.init = .*weights.*tensor '{name}'"):
        StartingFrom(make, path)
