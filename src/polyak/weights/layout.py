"""What tensors a file of weights holds, and the one check that files are of the same model.

    first, second = Layout.of(source, "a.safetensors"), Layout.of(other, "b.pt")
    check_same(first, second)

A layout is read without the values, so files of any size are checked before any work begins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights.checkpoint import Checkpoint, Ties
from polyak.weights.foreign import Source

AVERAGED = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""The dtypes that have means and distances: float64 holds all their values exactly."""


STATISTICS = ("running_mean", "running_var")
"""How torch calls the running statistics of a norm."""


class Entry(NamedTuple):
    """What a tensor is, whatever its values."""

    dtype: torch.dtype
    shape: torch.Size

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


@dataclass(frozen=True)
class Layout:
    """The tensors of one checkpoint in its own order, and which of their names are one tensor.

    `source` names the checkpoint in errors: its path, where it is a file.
    """

    source: str
    entries: dict[str, Entry]
    tied: Ties = ()

    @classmethod
    def of(cls, weights: Checkpoint | Source, source: str) -> "Layout":
        """The layout of a checkpoint in memory or of an open file, whose values stay unread."""
        tensors = (
            weights.tensors.items()
            if isinstance(weights, Checkpoint)
            else ((name, weights.outline(name)) for name in weights.names)
        )
        entries = {name: Entry(tensor.dtype, tensor.shape) for name, tensor in tensors}
        return cls(source, entries, weights.tied)

    @property
    def copies(self) -> dict[str, str]:
        """Every further name of a tied tensor, and the first name of its group: what is computed
        per tensor is computed for the first and serves the others."""
        return {name: first for first, *others in self.tied for name in others}

    @property
    def weights(self) -> list[str]:
        """`averaged` without the running statistics of norms: these have the unit of activations,
        and are computed anew for an average. They are told by torch's names for them."""
        return [name for name in self.averaged if name.rpartition(".")[2] not in STATISTICS]

    @property
    def averaged(self) -> list[str]:
        """The names of floating tensors, each tied one once under the first name of its group."""
        copies = self.copies
        return [
            name
            for name, entry in self.entries.items()
            if entry.dtype.is_floating_point and name not in copies
        ]


def check_same(first: Layout, other: Layout) -> None:
    """Raise CheckpointError where names, dtypes, shapes or ties differ. It names `other`'s source,
    the tensor, what it is in both, and `first`'s source."""
    for name in sorted(first.entries.keys() | other.entries.keys()):
        wanted, found = (layout.entries.get(name, "missing") for layout in (first, other))
        if found != wanted:
            raise CheckpointError(
                f"{other.source}: tensor {files.shown(name)} is {found}, but {wanted} in "
                f"{first.source}; give checkpoints of one model, in one precision"
            )
    if other.tied != first.tied:
        raise CheckpointError(
            f"{other.source}: tied tensors are {files.shown(list(other.tied))}, but "
            f"{files.shown(list(first.tied))} in {first.source}; give checkpoints of one model"
        )


def check_averaged(layout: Layout) -> None:
    """Raise CheckpointError for a complex or floating tensor whose dtype is not in `AVERAGED`."""
    for name, (dtype, _) in layout.entries.items():
        if (dtype.is_floating_point or dtype.is_complex) and dtype not in AVERAGED:
            allowed = ", ".join(map(str, AVERAGED))
            raise CheckpointError(
                f"{layout.source}: tensor {files.shown(name)} is {dtype}; allowed: "
                f"{allowed}, integers and booleans"
            )


def load_into(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give the model these weights. Raises CheckpointError where they aren't the model's; the
    message begins as one after a file's name does."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:  # torch's own words say which tensors don't fit
        said = files.shown(" ".join(str(error).split()), 300)
        raise CheckpointError(f"not this model's weights ({said})") from None


def common_layout(sources: Sequence[Source], paths: Sequence[Path]) -> Layout:
    """The layout that all these open files share, named after the first of them.

    Raises CheckpointError as `check_same` and `check_averaged` do.
    """
    first, *others = (
        Layout.of(source, str(path)) for source, path in zip(sources, paths, strict=True)
    )
    check_averaged(first)
    for other in others:
        check_same(first, other)
    return first
