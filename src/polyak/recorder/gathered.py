"""The weights of a model that is spread over several ranks, one full tensor at a time.

    from polyak.recorder.gathered import write_gathered

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
from torch import Tensor, nn

from polyak.errors import CheckpointError
from polyak.recorder import ranks
from polyak.recorder.wrapped import unwrapped
from polyak.weights import checkpoint, streamed
from polyak.weights.foreign import open_source
from polyak.weights.layout import Entry

WITHIN = ("_orig_mod", "_checkpoint_wrapped_module")
"""Parts of names that torch.compile and activation checkpointing put around modules in a model."""


class Gathered(Mapping[str, Tensor]):
    """A state dict whose tensors, on rank 0, are full ones on CPU, each gathered when it is asked
    for. To be made on every rank; the others `help` while rank 0 is at work:

        ranks.told(lambda: work(weights), weights.help)

    Names are without the prefixes of wrappers. What is no DTensor is that of rank 0. Raises
    CheckpointError for FSDP1, whose parameters have no shapes of their own, and for two tensors of
    one name.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = dict(state)
        self._names = sorted(self._state)

    @classmethod
    def of(cls, model: nn.Module) -> "Gathered":
        """The weights that a model has now."""
        check_no_fsdp1(model)
        found: dict[str, Tensor] = {}
        for name, tensor in unwrapped(model).state_dict().items():
            short = ".".join(part for part in name.split(".") if part not in WITHIN)
            if short in found:
                raise CheckpointError(
                    f"two tensors of the model are named {short!r} without wrappers"
                )
            found[short] = tensor.detach()
        return cls(found)

    def __getitem__(self, name: str) -> Tensor:
        tensor = self._state[name]
        if is_spread(tensor):
            ranks.ask(self._names.index(name))
            tensor = tensor.full_tensor()  # type: ignore[attr-defined]
        return tensor.cpu()

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)

    def help(self, number: int) -> None:
        """Do a rank's part where rank 0 has asked for a tensor."""
        self._state[self._names[number]].full_tensor()  # type: ignore[attr-defined]

    @property
    def entries(self) -> dict[str, Entry]:
        """What the full tensors are. Nothing is gathered."""
        return {name: Entry(tensor.dtype, tensor.shape) for name, tensor in self._state.items()}

    @property
    def parts(self) -> dict[str, Tensor]:
        """What this rank has of them, not copied."""
        return {name: local(tensor) for name, tensor in self._state.items()}

    def with_parts(self, parts: Mapping[str, Tensor]) -> "Gathered":
        """The same with other values, of which this rank has these."""
        return Gathered(
            {name: _with_part(tensor, parts[name]) for name, tensor in self._state.items()}
        )

    @property
    def device(self) -> torch.device:
        """Where this rank's part is."""
        return next(iter(self._state.values())).device

    def save(self, path: Path, metadata: Mapping[str, Any] | None = None) -> None:
        """On rank 0, what `checkpoint.save` does with the full tensors."""
        entries = self.entries
        tied = checkpoint.ties(self.parts)
        tensors = ((name, self[name]) for name in streamed.ordered(entries))
        streamed.write(path, entries, tensors, tied, metadata)


def write(path: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write weights as `checkpoint.save` does, of several ranks or of one."""
    if isinstance(weights, Gathered):
        weights.save(path, metadata)
    else:
        checkpoint.save(path, weights, metadata)


def save(path: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Write weights, and give their `checkpoint.digest`."""
    write(path, weights, metadata)
    if not isinstance(weights, Gathered):
        return checkpoint.digest(weights)
    with open_source(path) as source:  # each tensor is gathered once
        return checkpoint.digest_of(source.names, source.tensor)


def write_gathered(model: nn.Module, path: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write the model's weights to `path` from rank 0, atomically and read-only, as
    `checkpoint.save` does. To be called on every rank, with ranks that all have every name; when
    one returns, the file is there.

    Raises as `Gathered` does. Where rank 0 can't write, it raises what `checkpoint.save` would, and
    other ranks StoreError.
    """
    weights = Gathered.of(model)

    def work() -> int:
        weights.save(path, metadata)
        return 0

    ranks.told(work, weights.help)


def is_sharded(model: nn.Module) -> bool:
    """Whether any of its weights are spread over ranks."""
    return any(is_spread(tensor) for tensor in model.state_dict(keep_vars=True).values())


def check_no_fsdp1(model: nn.Module) -> None:
    """Raise CheckpointError for a model with parts of FullyShardedDataParallel."""
    fsdp1 = sys.modules.get("torch.distributed.fsdp.fully_sharded_data_parallel")
    if fsdp1 and any(isinstance(one, fsdp1.FullyShardedDataParallel) for one in model.modules()):
        raise CheckpointError(
            "the model is of FullyShardedDataParallel; allowed: fully_shard (FSDP2), "
            "DistributedDataParallel, or none"
        )


def is_spread(tensor: Tensor) -> bool:
    """Whether it is a DTensor."""
    module = sys.modules.get("torch.distributed.tensor")  # seconds to import, where nothing has
    return module is not None and isinstance(tensor, module.DTensor)


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a tensor."""
    if not is_spread(tensor):
        return tensor
    part: Tensor = tensor.to_local()  # type: ignore[attr-defined]
    return part


def _with_part(tensor: Tensor, part: Tensor) -> Tensor:
    if not is_spread(tensor):
        return part
    from torch.distributed.tensor import DTensor

    assert isinstance(tensor, DTensor)
    found: Tensor = DTensor.from_local(
        part.to(tensor.to_local().device),
        tensor.device_mesh,
        tensor.placements,
        run_check=False,
        shape=tensor.shape,
        stride=tensor.stride(),
    )
    return found
