"""A training whose weights are spread over two processes (FSDP2), recorded as one that is not."""

import json
import os

import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh

import polyak
from polyak.errors import CheckpointError, ConfigError, PolyakError
from polyak.recorder.live import live_of
from polyak.store import paths
from polyak.store.manifest import Manifest
from polyak.weights import checkpoint

STEPS = 5
OPTIONS = {"settings": {"seed": 0}, "every": 2, "means": True, "steps_per_epoch": STEPS}


class Small(nn.Module):
    """Tied weights, running statistics with an integer, and a tensor of which rank 1 has no row."""

    def __init__(self, width=5):
        super().__init__()
        self.first, self.norm = nn.Linear(3, width), nn.BatchNorm1d(width)
        self.second, self.third = nn.Linear(width, 1), nn.Linear(width, 1)
        self.third.weight = self.second.weight

    def forward(self, values):
        hidden = self.norm(self.first(values))
        return self.second(hidden) + self.third(hidden)


def network(width=5):
    torch.manual_seed(0)
    return Small(width)


def full(model):
    """A copy of the state dict, gathered by torch."""
    return {
        name: (one.full_tensor() if hasattr(one, "full_tensor") else one).detach().clone()
        for name, one in model.state_dict().items()
    }


def train(model, recorder, steps, seen):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()
        recorder.step()
        seen.append(full(model))


def both(folder):
    """Two processes after one import, which takes seconds."""
    import torch.distributed.fsdp

    torch.set_num_threads(1)
    other = os.fork()
    try:
        trained(0 if other else 1, folder)
    finally:
        if not other:
            os._exit(0)  # its file says what it did
    os.waitpid(other, 0)


def trained(rank, folder):
    """What rank 0 and rank 1 say of two epochs in `folder`/spread, and rank 0's copies."""
    from torch.distributed.fsdp import fully_shard

    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    mesh, said, seen = init_device_mesh("cpu", (2,)), [], []

    def refused(call, *arguments, **options):
        with pytest.raises(PolyakError) as caught:
            call(*arguments, **options)
        said.append(f"{caught.type.__name__}: {caught.value}")

    model, directory = network(), folder / "spread"
    fully_shard(model.first, mesh=mesh)
    fully_shard(model, mesh=mesh)
    torch.manual_seed(rank)
    recorder = polyak.Recorder(directory, model, **OPTIONS)
    train(model, recorder, STEPS, seen)
    refused(recorder.epoch, {"train": {"loss": "much"}} if rank == 0 else None)
    recorder.epoch({"train": {"loss": 0.5}} if rank == 0 else None)
    after = model.state_dict()
    after = {name: one.detach().clone() for name, one in after.items()}
    # What rank 0 can't write stops both; the epoch can be recorded after its steps once more.
    recordings = directory / "recordings"
    if rank == 0:
        recordings.rename(folder / "aside")
        recordings.write_text("")
    distributed.barrier()
    with pytest.raises((OSError, PolyakError)):
        train(model, recorder, STEPS, [])
    with pytest.raises((OSError, PolyakError)):
        recorder.step()
    if rank == 0:
        recordings.unlink()
        (folder / "aside").rename(recordings)
    recorder.close()
    # As after a kill: the weights of the first epoch's end.
    model.load_state_dict(after)
    recorder = polyak.Recorder(directory, model, **OPTIONS)
    said.append(recorder.epochs)
    train(model, recorder, STEPS, seen)
    recorder.epoch()
    recorder.close()
    refused(polyak.Recorder, directory, model, **{**OPTIONS, "settings": {"seed": 1}})
    other = network(5 + rank)
    fully_shard(other, mesh=mesh)
    refused(polyak.Recorder, folder / "other", other, settings={})
    (folder / f"{rank}.json").write_text(json.dumps(said))
    if rank == 0:
        torch.save(seen, folder / "seen.pt")
    distributed.destroy_process_group()


def test_the_files_are_those_of_a_model_that_is_not_spread(tmp_path, processes):
    running = processes.forked(both, tmp_path)
    running.join(90)
    assert running.exitcode == 0
    said = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    for place, of_rank_0 in [(0, "ConfigError: metric loss"), (2, "StoreError: ")]:
        assert said[0][place].startswith(of_rank_0)
        assert said[1][place].startswith("StoreError: rank 0 of the training")
    assert [one[1] for one in said] == [1, 1]
    assert all("has other tensors on other ranks" in one[3] for one in said)
    model = network()
    with polyak.Recorder(tmp_path / "whole", model, **OPTIONS) as recorder:
        for done, state in enumerate(torch.load(tmp_path / "seen.pt"), start=1):
            model.load_state_dict(state)
            recorder.step()
            if done % STEPS == 0:
                recorder.epoch()
    whole, spread = (
        {p.name: p for p in (tmp_path / one).rglob("*.*")} for one in ("whole", "spread")
    )
    assert whole.keys() == spread.keys()
    assert sum(name.endswith(".safetensors") for name in whole) == 2 + 6 + 4
    for name in whole.keys() - {"trajectory.json"}:
        assert whole[name].is_dir() or whole[name].read_bytes() == spread[name].read_bytes(), name
    found = [Manifest.open(tmp_path / one) for one in ("whole", "spread")]
    assert found[0].values["ingredients"] == found[1].values["ingredients"]
    assert [one.corrupted(2) for one in found] == [[], []]
    path = paths.checkpoint(tmp_path / "spread", 1)
    assert checkpoint.load(path).tied == (("second.weight", "third.weight"),)


def test_a_process_alone_has_its_model_whole():
    model = network()
    seen = []
    assert (
        live_of(model, None).together(lambda weights: seen.append(checkpoint.digest(weights)) or 3)
        == 3
    )
    assert seen == [checkpoint.digest(model.state_dict())]


def test_fsdp1_is_refused(tmp_path):
    from torch.distributed.fsdp import FullyShardedDataParallel

    meeting = f"file://{tmp_path / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    try:
        model = FullyShardedDataParallel(network(), device_id=torch.device("cpu"))
        with pytest.raises(
            CheckpointError, match="is of FullyShardedDataParallel; allowed: fully_shard"
        ):
            polyak.Recorder(tmp_path / "run", model, settings={})
    finally:
        distributed.destroy_process_group()


def test_weights_that_are_deployed_otherwise_are_refused_where_they_are_spread():
    from polyak.recorder.live import Spread

    class Free(torch.optim.SGD):
        def eval(self):
            """As schedule-free ones have."""

    model = network()
    with pytest.raises(ConfigError, match="allowed where weights are spread over ranks"):
        Spread(model, Free(model.parameters()))
