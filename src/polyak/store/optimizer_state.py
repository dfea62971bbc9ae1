"""An optimizer's state in a safetensors file, to continue training from.

    save(path, optimizer)
    load(path, optimizer)    # the next step is bit for bit the one that would have followed

Nothing is pickled: tensors are stored as such, everything else as JSON.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from polyak.errors import CheckpointError
from polyak.weights import checkpoint


def save(path: Path, optimizer: Optimizer) -> None:
    """Write the state atomically to `path`.

    Raises CheckpointError where it holds what is neither a tensor nor JSON.
    """
    tensors: dict[str, Tensor] = {}
    rest = _without_tensors(optimizer.state_dict(), "", tensors)
    try:
        checkpoint.save(path, tensors, {"optimizer": rest})
    except TypeError as error:
        name = type(optimizer).__name__
        raise CheckpointError(f"the state of {name} can't be stored: {error}") from error


def load(path: Path, optimizer: Optimizer) -> None:
    """Give the state to `optimizer`, which must be made as the one that was saved.

    Raises CheckpointError where the file is missing, corrupted, or of another optimizer.
    """
    stored = checkpoint.load(path)
    try:
        optimizer.load_state_dict(_with_tensors(stored.metadata["optimizer"], stored.tensors))
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: not this optimizer's state ({error})") from error
    # Files are contiguous. Fused kernels pair memory, so a momentum must lie as its parameter does.
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _without_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` for JSON. Tensors move into `tensors`; dictionaries become lists of pairs, which
    keep the type of their keys."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {
            "pairs": [
                [key, _without_tensors(item, f"{name}.{key}", tensors)]
                for key, item in value.items()
            ]
        }
    if isinstance(value, list | tuple):
        return [_without_tensors(item, f"{name}.{i}", tensors) for i, item in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_with_tensors(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    return {key: _with_tensors(item, tensors) for key, item in value["pairs"]}
