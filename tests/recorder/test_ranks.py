"""Two processes that train one model with DistributedDataParallel."""

import json
import os

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

import polyak
from polyak.errors import StoreError
from polyak.recorder.averaged import averaged
from polyak.store import paths
from polyak.store.manifest import Manifest
from polyak.weights import checkpoint

EPOCHS, STEPS = 2, 3


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


def trained(rank, folder):
    """What rank 0 and rank 1 say, in files, of the training in `folder`/run."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    options = {"settings": {"seed": 0}, "means": True, "steps_per_epoch": STEPS}
    directory = folder / ("run" if rank == 0 else "elsewhere")
    recorder = polyak.Recorder(directory, model, **options)
    said = {"epochs": [recorder.epochs]}
    torch.manual_seed(rank)
    for _ in range(EPOCHS):
        for _ in range(STEPS):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().sum().backward()
            optimizer.step()
            recorder.step()
        recorder.epoch({"validation": {"loss": rank}})
        recorder.add_metrics({"validation": {"accuracy": 0.5}})
        said["epochs"].append(recorder.epochs)
    recorder.close()
    with averaged(model, directory, 0, batches=[torch.randn(8, 4) + rank]):
        said["average"] = checkpoint.digest(model.module.state_dict())
    with polyak.Recorder(directory, model, **options) as recorder:
        said["epochs"].append(recorder.epochs)
    model.module.load_state_dict(network().state_dict())
    try:
        polyak.Recorder(directory, model, **options)
    except StoreError as error:
        said["error"] = str(error)
    said["weights"] = checkpoint.digest(model.module.state_dict())
    (folder / f"{rank}.json").write_text(json.dumps(said))
    distributed.destroy_process_group()


def test_rank_0_writes_and_all_know_it(tmp_path, processes):
    running = [processes.forked(trained, rank, tmp_path) for rank in range(2)]
    for one in running:
        one.join(60)
    assert [one.exitcode for one in running] == [0, 0]
    said = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [one["epochs"] for one in said] == [[0, 1, 2, 2]] * 2
    assert said[0]["average"] == said[1]["average"]
    assert "was recorded before, epochs 0..1" in said[0]["error"]
    assert said[1]["error"] == "rank 0 of the training could not record it; its error says why"
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "elsewhere.lock").exists()
    manifest = Manifest.open(tmp_path / "run")
    assert manifest.corrupted(EPOCHS) == []
    scores = {"validation": {"loss": 0.0, "accuracy": 0.5}}
    assert [one["metrics"] for one in manifest.values["epochs"]] == [scores] * EPOCHS
    assert len(list(paths.recordings(tmp_path / "run", "1_per_epoch").glob("mean_*"))) == EPOCHS


def test_a_process_alone_is_the_first():
    from polyak.recorder import ranks

    assert ranks.first()
    assert ranks.told(lambda: 3) == 3
    with pytest.raises(KeyError):
        ranks.told(lambda: {}["no"])
