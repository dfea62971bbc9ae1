import json

import pytest
import torch
from torch import nn

from polyak.errors import CheckpointError
from polyak.store import optimizer_state
from polyak.training.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from polyak.training.optimizers.schedule_free_sgd import ScheduleFreeSGD

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "plain sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True),
    "groups": lambda p: torch.optim.SGD(
        [{"params": [one], "lr": 0.1 * (1 + i)} for i, one in enumerate(p)], momentum=0.5
    ),
}


def step(model, optimizer, seed):
    generator = torch.Generator().manual_seed(seed)
    optimizer.zero_grad()
    model(torch.randn(8, 3, generator=generator)).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_next_steps_are_those_that_would_have_followed(tmp_path, name):
    model = nn.Linear(3, 2)
    optimizer = OPTIMIZERS[name](model.parameters())
    step(model, optimizer, 0)
    optimizer.param_groups[0]["initial_lr"] = 0.3  # as a schedule leaves it
    optimizer_state.save(tmp_path / "state.safetensors", optimizer)
    twin = nn.Linear(3, 2)
    twin.load_state_dict(model.state_dict())
    restored = OPTIMIZERS[name](twin.parameters())
    optimizer_state.load(tmp_path / "state.safetensors", restored)
    assert restored.param_groups[0]["initial_lr"] == 0.3
    for seed in (1, 2):
        step(model, optimizer, seed)
        step(twin, restored, seed)
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("made", [ScheduleFreeSGD, ScheduleFreeAdamW])
def test_all_that_a_schedule_free_method_counts_is_kept(tmp_path, made):
    model = nn.Linear(3, 2)
    optimizer = made(model.parameters(), lr=0.3, warmup_steps=5, r=0.5)
    optimizer.train()
    for seed in range(3):
        step(model, optimizer, seed)
    optimizer.eval()
    optimizer_state.save(tmp_path / "state.safetensors", optimizer)
    restored = made(nn.Linear(3, 2).parameters(), lr=0.3, warmup_steps=5, r=0.5)
    optimizer_state.load(tmp_path / "state.safetensors", restored)
    wanted, found = optimizer.state_dict(), restored.state_dict()
    (group,) = found["param_groups"]
    assert (group["k"], group["train_mode"]) == (3, False)
    assert group["lr_max"] == pytest.approx(0.3 * 3 / 5)
    assert group["weight_sum"] > 0
    assert json.dumps(found["param_groups"]) == json.dumps(wanted["param_groups"])
    assert len(found["state"]) == 2
    for index, state in wanted["state"].items():
        assert "z" in state
        assert found["state"][index].keys() == state.keys()
        assert all(torch.equal(found["state"][index][name], state[name]) for name in state)


def test_another_optimizers_state_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    optimizer_state.save(path, torch.optim.SGD(nn.Linear(3, 2).parameters(), lr=0.1))
    other = torch.optim.SGD(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).parameters(), lr=0.1)
    with pytest.raises(CheckpointError, match="not this optimizer's state"):
        optimizer_state.load(path, other)


def test_what_cannot_be_stored_is_an_error(tmp_path):
    optimizer = torch.optim.SGD(nn.Linear(3, 2).parameters(), lr=0.1)
    optimizer.param_groups[0]["hook"] = object()
    with pytest.raises(CheckpointError, match="the state of SGD can't be stored"):
        optimizer_state.save(tmp_path / "state.safetensors", optimizer)
