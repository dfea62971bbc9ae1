"""The processes of a distributed training: the first one (rank 0) writes, and tells the others.

if ranks.first():
    ...
epochs = ranks.told(lambda: write())    # on every rank what rank 0's call gave

Every rank must come here, as to any collective of torch.distributed; where that is not initialised,
there is one process, and it is the first.
"""

import hashlib
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, distributed

from polyak.errors import StoreError

_FAILED = -1
"""What rank 0 says where it has raised; below it is what it asks for."""


def several() -> bool:
    """Whether there are other processes."""
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )


def first() -> bool:
    """Whether this is rank 0."""
    return not several() or distributed.get_rank() == 0


def told(work: Callable[[], int], help: Callable[[int], object] | None = None) -> int:
    """What `work`, called on rank 0 alone, gives: a number from 0. What it raises is raised there;
    the other ranks, which would wait for ever, raise StoreError. While rank 0 is at work, the
    others call `help` with each number that it asks by `ask`."""
    if not several():
        return work()
    number, error = _FAILED, None
    if first():
        try:
            number = work()
        except BaseException as caught:
            error = caught
    said = torch.tensor([number])
    given([said])
    while not first() and said.item() < _FAILED:
        if help is not None:
            help(_FAILED - 1 - int(said.item()))
        given([said])
    if error is not None:
        raise error
    if said.item() < 0:
        raise StoreError("rank 0 of the training could not record it; its error says why")
    return int(said.item())


def ask(number: int) -> None:
    """On rank 0, within `told`: have the others do their part in what has this number, from 0."""
    given([torch.tensor([_FAILED - 1 - number])])


def agreed(said: object) -> bool:
    """Whether all ranks say the same, by its representation. To be called on every rank."""
    if not several():
        return True
    digest = hashlib.sha256(repr(said).encode()).digest()
    found, wanted = (torch.tensor(list(digest)) for _ in range(2))
    given([wanted])
    differs = torch.tensor([int(not torch.equal(found, wanted))])
    moved = differs.to(_device())
    distributed.all_reduce(moved)
    return not moved.item()


@torch.no_grad()
def given(tensors: Iterable[Tensor]) -> None:
    """Give these, on every rank, the values that they have on rank 0."""
    if not several():
        return
    for tensor in tensors:
        moved = tensor.detach().to(_device()).contiguous()
        distributed.broadcast(moved, src=0)
        tensor.copy_(moved)


def _device() -> torch.device:
    """NCCL moves what is on a GPU, and nothing else."""
    cuda = distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
