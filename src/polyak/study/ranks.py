"""The processes of a distributed training: the first one (rank 0) writes, and tells the others.

if ranks.first():
    ...
epochs = ranks.told(lambda: write())    # on every rank what rank 0's call gave

Every rank must come here, as to any collective of torch.distributed; where that is not initialised,
there is one process, and it is the first.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, distributed

from polyak.errors import StoreError


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


def told(work: Callable[[], int]) -> int:
    """What `work`, called on rank 0 alone, gives: a number from 0. What it raises is raised there;
    the other ranks, which would wait for ever, raise StoreError."""
    if not several():
        return work()
    number, error = -1, None
    if first():
        try:
            number = work()
        except BaseException as caught:
            error = caught
    said = torch.tensor([number])
    given([said])
    if error is not None:
        raise error
    if said.item() < 0:
        raise StoreError("rank 0 of the training could not record it; its error says why")
    return int(said.item())


@torch.no_grad()
def given(tensors: Iterable[Tensor]) -> None:
    """Give these, on every rank, the values that they have on rank 0."""
    if not several():
        return
    # NCCL moves what is on a GPU, and nothing else.
    cuda = distributed.get_backend() == "nccl"
    device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
    for tensor in tensors:
        moved = tensor.detach().to(device).contiguous()
        distributed.broadcast(moved, src=0)
        tensor.copy_(moved)
