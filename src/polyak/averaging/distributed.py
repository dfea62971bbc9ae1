"""An average as a directory of torch.distributed.checkpoint, which sharded trainings load.

    average_to_distributed(Path("mean"), [Path("step_1"), Path("step_2")])
    torch.distributed.checkpoint.load(state, checkpoint_id="mean")     # state: model.state_dict()

It is averaged into a file, of which torch's own writer takes the tensors: pages of that file, and
not memory of the process. While it is written, the disk has both.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyak import files
from polyak.averaging.stream import average_files
from polyak.weights import checkpoint

SOURCES = "polyak.json"
"""Beside torch's files: what this project's own files have as metadata."""


def average_to_distributed(
    output: Path,
    paths: Sequence[Path],
    weights: Sequence[float] | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    workers: int = 1,
) -> str | None:
    """Write the mean that `average_files` makes to `output`, a new directory: under the names that
    the tensors have in the files, both of tied ones, with `average_files`'s metadata in a
    polyak.json. Returns and raises as it does."""
    if output.exists():
        raise FileExistsError(f"{output}: exists already; name another directory, or remove it")
    with files.atomic_directory(output) as temporary:
        whole = temporary / "whole.safetensors"
        stale = average_files(whole, paths, weights, metadata, workers=workers)
        with checkpoint.opened(whole) as file:
            mapped = {name: _mapped(whole, file, name) for name in file.names}
            files.write_json(temporary / SOURCES, file.metadata)
        _save(mapped, temporary)
        del mapped
        whole.unlink()
    return stale


def _mapped(path: Path, file: checkpoint.OpenFile, name: str) -> Tensor:
    """The tensor, on pages of the file that are its own: of a larger storage, the writer would
    make a copy, and keep the copies of all tensors."""
    entry = file.outline(name)
    if not entry.numel():
        return torch.empty_like(entry)
    # Mode "c": torch warns of what it can't write to.
    found = np.memmap(path, np.uint8, "c", file.begin(name), (entry.nbytes,))
    return torch.from_numpy(found).view(entry.dtype).view(entry.shape)


def _save(state: Mapping[str, Tensor], directory: Path) -> None:
    # A second to import.
    from torch.distributed.checkpoint.filesystem import FileSystemWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "torch.distributed is disabled"
        )  # which is what no_dist is
        save(dict(state), storage_writer=FileSystemWriter(directory), no_dist=True)
