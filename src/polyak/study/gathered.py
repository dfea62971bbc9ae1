"""The weights of a model that is spread over several ranks, one full tensor at a time.

    from polyak.study.gathered import write_gathered

    write_gathered(model, Path("step_100.safetensors"))     # on every rank; rank 0 writes

Models of FSDP2 (`fully_shard`) and tensor parallelism, whose parameters are DTensors, of
DistributedDataParallel, and plain ones. The file is, to the byte, that of `checkpoint.save` for the
same model on one rank. No rank ever holds more than its part of the model and one full tensor.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from polyak.errors import CheckpointError
from polyak.study.wrapped import unwrapped
from polyak.weights import checkpoint, streamed
from polyak.weights.layout import Entry

WITHIN = ("_orig_mod", "_checkpoint_wrapped_module")
"""Parts of names that torch.compile and activation checkpointing put around modules in a model."""


def gathered(model: nn.Module) -> Iterator[tuple[str, Tensor | None]]:
    """Each name of the state dict, without the prefixes of wrappers, and on rank 0 the full tensor,
    on CPU; None on other ranks. In safetensors' order, which is the same on every rank.

    To be used up by every rank, for each gathers with all others. Buffers that are no DTensors are
    those of rank 0. Raises CheckpointError for FSDP1, whose parameters have no shapes of their own,
    and for two tensors of one name.
    """
    state = _state(model)
    for name in streamed.ordered(_entries(state)):
        tensor = _full(state[name])
        yield name, tensor.cpu() if _rank() == 0 else None


def write_gathered(model: nn.Module, path: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write the model's weights to `path` from rank 0, atomically and read-only, as
    `checkpoint.save` does. To be called on every rank, with ranks that all have every name; when
    one returns, the file is there.

    Raises as `gathered` does. Where rank 0 can't write, it raises what `checkpoint.save` would, and
    other ranks CheckpointError.
    """
    state = _state(model)
    tensors, failed = gathered(model), None
    if _rank() == 0:
        tied = checkpoint.ties({name: _local(tensor) for name, tensor in state.items()})
        full = ((name, tensor) for name, tensor in tensors if tensor is not None)
        try:
            streamed.write(path, _entries(state), full, tied, metadata)
        except (OSError, TypeError, ValueError, CheckpointError) as error:
            failed = error
    for _ in tensors:  # other ranks' part; and after a failure, rank 0's: else they wait for ever
        pass
    if distributed.is_available() and distributed.is_initialized():
        device = next((_local(one).device for one in state.values()), torch.device("cpu"))
        told = torch.tensor(int(failed is not None), device=device)
        distributed.broadcast(told, src=0)
        if failed is None and told.item():
            raise CheckpointError(f"{path}: rank 0 could not write it; its error says why")
    if failed is not None:
        raise failed


def is_sharded(model: nn.Module) -> bool:
    """Whether any of its weights are spread over ranks."""
    return any(_is_spread(tensor) for tensor in model.state_dict(keep_vars=True).values())


def _state(model: nn.Module) -> dict[str, Tensor]:
    model = unwrapped(model)
    fsdp1 = sys.modules.get("torch.distributed.fsdp.fully_sharded_data_parallel")
    if fsdp1 and any(isinstance(one, fsdp1.FullyShardedDataParallel) for one in model.modules()):
        raise CheckpointError(
            "the model is of FullyShardedDataParallel; allowed: fully_shard (FSDP2), "
            "DistributedDataParallel, or none"
        )
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        short = ".".join(part for part in name.split(".") if part not in WITHIN)
        if short in found:
            raise CheckpointError(f"two tensors of the model are named {short!r} without wrappers")
        found[short] = tensor.detach()
    return found


def _entries(state: Mapping[str, Tensor]) -> dict[str, Entry]:
    return {name: Entry(tensor.dtype, tensor.shape) for name, tensor in state.items()}


def _is_spread(tensor: Tensor) -> bool:
    module = sys.modules.get("torch.distributed.tensor")  # seconds to import, where nothing has
    return module is not None and isinstance(tensor, module.DTensor)


def _full(tensor: Tensor) -> Tensor:
    if not _is_spread(tensor):
        return tensor
    full: Tensor = tensor.full_tensor()  # type: ignore[attr-defined]
    return full


def _local(tensor: Tensor) -> Tensor:
    if not _is_spread(tensor):
        return tensor
    local: Tensor = tensor.to_local()  # type: ignore[attr-defined]
    return local


def _rank() -> int:
    there = distributed.is_available() and distributed.is_initialized()
    return int(distributed.get_rank()) if there else 0
