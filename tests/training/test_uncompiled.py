"""Optimizers that never import torch's compiler step as those that do."""

import pytest
import torch
from torch.optim.optimizer import Optimizer, _use_grad_for_differentiable

from polyak.training.uncompiled import never_compiled

LIBRARY = [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop]


def trained(kind: type[Optimizer]) -> list[bytes]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    optimizer = kind(model.parameters(), lr=0.1)  # type: ignore[call-arg]
    for step in range(4):
        optimizer.zero_grad()
        model(torch.randn(7, 5)).square().sum().backward()
        optimizer.step()
        if step == 1:
            optimizer.load_state_dict(optimizer.state_dict())
    return [one.detach().numpy().tobytes() for one in model.parameters()]


@pytest.mark.parametrize("library", LIBRARY, ids=lambda kind: kind.__name__)
def test_steps_have_the_bits_of_torchs_own(library, monkeypatch):
    owner = next(one for one in library.__mro__ if "step" in vars(one))
    monkeypatch.setattr(owner, "step", vars(owner)["step"])  # as it was, afterwards
    plain = vars(owner)["step"]
    while hasattr(plain, "__wrapped__"):
        plain = plain.__wrapped__
    owner.step = _use_grad_for_differentiable(plain)
    as_torch = trained(type("AsTorch", (library,), {}))
    assert vars(owner)["step"].__code__.co_name == "_use_grad"
    never_compiled(library)
    assert vars(owner)["step"].__code__.co_name == "stepped"
    assert trained(type("Ours", (library,), {})) == as_torch


def test_what_is_made_otherwise_stays_as_it_is():
    class Own(Optimizer):
        def step(self, closure=None):
            return "mine"

    before = vars(Own)["step"]
    never_compiled(Own)
    assert vars(Own)["step"] is before
