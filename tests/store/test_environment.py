from importlib import metadata

import pytest
import torch

from polyak.errors import ConfigError
from polyak.store import environment


@pytest.mark.parametrize("name", ["cuda:2", "cuda:7", "cuda:256", "cuda:257", "cuda:999"])
def test_a_device_that_is_not_there_is_refused(monkeypatch, name):
    """torch takes an index modulo 256: its cuda:257 is cuda:1."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match=f"training.device = {name}: this machine has 2 CUDA"):
        environment.choose_device(name)


def test_a_device_that_is_there_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert environment.choose_device("cuda:1") == torch.device("cuda", 1)
    assert environment.choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("library", ["torchvision", "timm", "schedulefree"])
def test_the_versions_of_what_may_decide_weights_are_noted(library):
    described = environment.describe(torch.device("cpu"), "fp32")
    assert described[library] == metadata.version(library)
