"""One checkpoint's file: safetensors, written atomically, read without unpickling.

    checkpoint.save(path, model.state_dict(), {"epoch": 3})
    model.load_state_dict(checkpoint.load(path).tensors)

Tensors are stored contiguous in the default memory format. Names that share one tensor (tied
weights) are both written, and the ties are recorded. All metadata is one JSON string under the
key "polyak": safetensors writes several keys in random order, which would change the file's bytes.
"""

import errno
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from polyak import files
from polyak.errors import CheckpointError

METADATA_KEY = "polyak"

Ties: TypeAlias = tuple[tuple[str, ...], ...]
"""Groups of names, each of one tensor; names and groups are sorted."""


@dataclass(frozen=True)
class Checkpoint:
    """A state dict (on CPU), the groups of names that are one tensor, and the file's metadata."""

    tensors: dict[str, Tensor]
    tied: Ties = ()
    metadata: dict[str, Any] = field(default_factory=dict)


def ties(state: Mapping[str, Tensor]) -> Ties:
    """Groups of two or more names whose entries are the same view of the same memory, sorted."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, tensor in state.items():
        if tensor.numel() == 0:
            continue
        view = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        groups.setdefault(view, []).append(name)
    return tuple(sorted(tuple(sorted(names)) for names in groups.values() if len(names) > 1))


def save(
    path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write `state` atomically to `path`, read-only (0444).

    `metadata` must be JSON; "tied" is added to it. The tensors may live on any device and in any
    memory format; the live weights are copied, never aliased.
    """
    tensors = {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()
    }
    text = json.dumps({**(metadata or {}), "tied": ties(state)}, sort_keys=True)
    with files.atomic(path, read_only=True) as temporary:
        try:
            safetensors.torch.save_file(tensors, temporary, {METADATA_KEY: text})
        except safetensors.SafetensorError as error:  # a full disk, most of the time
            raise OSError(errno.EIO, f"can't be written ({error})", str(path)) from error


def load(path: Path) -> Checkpoint:
    """Read a file written by `save`, or any other safetensors file (without ties, then). Tied names
    share one tensor again.

    Raises CheckpointError, naming the file, where it is missing or no whole safetensors file.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY, "{}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = json.loads(text)
        tied = tuple(tuple(group) for group in metadata.pop("tied", ()))
        for group in tied:
            tensors |= dict.fromkeys(group, tensors[group[0]])
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such file") from error
    except (
        safetensors.SafetensorError,
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
    ) as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error})") from error
    return Checkpoint(tensors, tied, metadata)


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over names, dtypes, shapes and bytes, in the order of the names.

    Equal weights have equal digests, whatever file, device or memory format they are in.
    """
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()
