"""Weights that are spread over two processes give the file of the model on one."""

import os
import subprocess
import sys

import pytest
import torch

from polyak.errors import CheckpointError
from polyak.recorder.gathered import Gathered, write_gathered
from polyak.weights import checkpoint
from polyak.weights.foreign import open_source
from tests.small import ROOT

RANKS = """
import os, sys
from pathlib import Path
import torch
import torch.distributed.checkpoint
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from polyak.errors import StoreError
from polyak.recorder.gathered import write_gathered
from polyak.weights import checkpoint

folder = Path(sys.argv[1])
other = os.fork()  # before any thread: the imports are done once
rank = 0 if other else 1
torch.set_num_threads(1)
distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
)

def made():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 1), nn.Linear(1, 5))
    model.append(nn.Linear(5, 1))
    model[4].weight = model[2].weight
    return model

if rank == 0:
    checkpoint.save(folder / "plain.safetensors", made().state_dict(), {"step": 3})
write_gathered(DistributedDataParallel(made()), folder / "ddp.safetensors", {"step": 3})

model = made()
mesh = init_device_mesh("cpu", (2,))
fully_shard(model[0], mesh=mesh)
fully_shard(model, mesh=mesh)
model(torch.ones(4, 3)).sum().backward()   # the last statistics are those of another batch
for buffer, start in zip(model.buffers(), made().buffers()):
    buffer.copy_(start)
write_gathered(model, folder / "fsdp.safetensors", {"step": 3})
state = {"model": model.state_dict(), "epoch": 3}
torch.distributed.checkpoint.save(state, checkpoint_id=folder / "distributed")
(folder / "file").write_text("")
try:
    write_gathered(model, folder / "file" / "below.safetensors")
except (OSError, StoreError) as error:
    (folder / f"error{rank}").write_text(f"{type(error).__name__}: {error}")
distributed.destroy_process_group()
if rank:
    os._exit(0)
_, status = os.waitpid(other, 0)
sys.exit(status)
"""


def test_two_ranks_write_the_file_of_one(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RANKS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    wanted = (tmp_path / "plain.safetensors").read_bytes()
    assert (tmp_path / "ddp.safetensors").read_bytes() == wanted
    assert (tmp_path / "fsdp.safetensors").read_bytes() == wanted
    # What torch writes from both ranks, in parts, one of them without a row, is read as well.
    with open_source(tmp_path / "distributed") as source:
        found = {name: source.tensor(name) for name in source.names}
    assert checkpoint.digest(found) == checkpoint.digest(
        checkpoint.load(tmp_path / "plain.safetensors").tensors
    )
    # A disk that refuses stops every rank; none waits for another.
    assert (tmp_path / "error0").read_text().startswith(("FileExistsError", "NotADirectoryError"))
    assert "rank 0 of the training could not record it" in (tmp_path / "error1").read_text()


class Compiled(torch.nn.Module):
    """A module with the names that torch.compile gives, which takes seconds to import."""

    def __init__(self, module):
        super().__init__()
        self._orig_mod = module


def test_a_plain_model_and_a_compiled_part_of_one(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    checkpoint.save(tmp_path / "plain.safetensors", model.state_dict())
    model[1] = Compiled(model[1])
    write_gathered(model, tmp_path / "a.safetensors")
    plain = (tmp_path / "plain.safetensors").read_bytes()
    assert (tmp_path / "a.safetensors").read_bytes() == plain
    assert [*Gathered.of(model)] == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_two_tensors_of_one_name_are_refused(tmp_path):
    model = torch.nn.Module()
    model.register_buffer("w", torch.zeros(1))
    model.add_module("_orig_mod", torch.nn.Module())
    model.get_submodule("_orig_mod").register_buffer("w", torch.ones(1))
    with pytest.raises(CheckpointError, match="two tensors of the model are named 'w'"):
        write_gathered(model, tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())
