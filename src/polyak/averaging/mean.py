"""Exact means of checkpoints: float64 sums in the order given, one division, rounded once.

    average = mean_of_files([run / f"checkpoints/epoch_{e:03d}.safetensors" for e in range(10, 20)])
    model.load_state_dict(average.tensors)

Memory holds one float64 sum and one result, three times a float32 checkpoint, however many there
are; of files, one at a time is mapped besides. Integer and boolean entries are never averaged: they
come from the last checkpoint. Tied tensors are averaged once and stay tied. The mean of iterates:
Polyak and Juditsky 1992; of networks: Izmailov et al. 2018 (https://arxiv.org/abs/1803.05407).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.layout import Layout, check_averaged, check_same

PIECE = 1 << 15
"""Values that are summed or divided at a time: 256 KB in float64. Of more, torch makes shares for
its threads, which would wait for each other at every piece."""


class Mean:
    """The weighted mean of the checkpoints added so far."""

    def __init__(self) -> None:
        self._layout: Layout | None = None
        self._sums: dict[str, Tensor] = {}
        self._kept: dict[str, Tensor] = {}
        self._total: float = 0  # stays an int, and exact, while the weights are integers
        self.count = 0

    def add(self, state: Checkpoint, weight: float = 1, *, source: str | None = None) -> None:
        """Add a checkpoint. `source` names it in errors: its path, or by default its position.

        Floating tensors may be float64, float32, float16 or bfloat16. Raises CheckpointError where
        names, shapes, dtypes or ties differ from the first checkpoint's or a value is not finite,
        and ValueError for a weight that is negative or not finite. A refused checkpoint leaves the
        mean unchanged.
        """
        source = source or f"checkpoint {self.count}"
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"weight of {source}: {weight}; allowed: finite and not negative")
        layout = Layout.of(state, source)
        first = self._layout or layout
        check_same(first, layout)
        check_averaged(layout)
        _check_finite(state, source)
        self._layout = first
        # Every copy is fresh: neither the sums nor the mean alias the (perhaps live) weights.
        for name in layout.averaged:
            term = state.tensors[name].detach().to("cpu").contiguous()
            if self.count:
                for total, piece in _pieces(self._sums[name], term):
                    total.add_(piece.to(torch.float64, copy=True).mul_(weight))
            else:
                self._sums[name] = term.to(torch.float64, copy=True).mul_(weight)
        for name, tensor in state.tensors.items():
            if not tensor.is_floating_point():
                self._kept[name] = tensor.detach().to("cpu", copy=True)
        self._total += weight
        self.count += 1

    def result(self, into: Checkpoint | None = None) -> Checkpoint:
        """The mean on CPU, each floating tensor in its own dtype and shape: a new one, or that of
        `into`, an earlier result of this mean that is no longer wanted.

        Raises ValueError where no weight is above 0, CheckpointError where a mean overflows its
        dtype.
        """
        if self._layout is None or not self._total > 0:
            raise ValueError("a mean needs at least one checkpoint with a weight above 0")
        means = {}
        for name, total in self._sums.items():
            dtype, shape = self._layout.entries[name]
            mean = torch.empty(shape, dtype=dtype) if into is None else into.tensors[name]
            for piece, added in _pieces(mean, total):
                piece.copy_(round_once(added / self._total, dtype))
            if not _finite(mean):
                raise CheckpointError(f"the mean of tensor {name!r} overflows {dtype}")
            means[name] = mean
        means |= {name: kept.clone() for name, kept in self._kept.items()}
        copies = self._layout.copies
        tensors = {name: means[copies.get(name, name)] for name in self._layout.entries}
        return Checkpoint(tensors, self._layout.tied)


def _check_finite(state: Checkpoint, source: str) -> None:
    for name, tensor in state.tensors.items():
        if tensor.is_floating_point() and not _finite(tensor):
            raise CheckpointError(
                f"{source}: tensor {name!r} has values that are not finite; "
                "leave this checkpoint out of the window"
            )


def _finite(tensor: Tensor) -> bool:
    """Whether all values are. A NaN is both extremes: nothing as large as the tensor is made."""
    return not tensor.numel() or bool(torch.stack(tensor.detach().aminmax()).isfinite().all())


def _pieces(first: Tensor, second: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Views of the same few values of both, contiguous ones: what is computed of them stays in the
    processor's cache, and memory for a whole tensor is not asked of the system each time."""
    return zip(first.view(-1).split(PIECE), second.view(-1).split(PIECE), strict=True)


def round_once(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Round float64 `values` to `dtype`, to nearest even, once.

    torch goes from float64 to the 16-bit (and narrower) formats by way of float32, which rounds
    twice and is wrong just beside a tie. Rounding to odd on the way makes the second rounding see
    what the first lost (Boldo and Melquiond 2008, https://doi.org/10.1109/TC.2007.70819).
    """
    if dtype in (torch.float64, torch.float32):
        return values.to(dtype)
    single = values.to(torch.float32)
    residue = values - single.to(torch.float64)
    even = (single.view(torch.int32) & 1) == 0
    towards = torch.where(residue > 0, torch.inf, -torch.inf).to(torch.float32)
    odd = torch.nextafter(single, towards)
    return torch.where((residue != 0) & even, odd, single).to(dtype)


def mean_of_files(paths: Sequence[Path], weights: Sequence[float] | None = None) -> Checkpoint:
    """The weighted mean (by default uniform) of checkpoint files, read one at a time, in order.

    Raises CheckpointError naming the file and tensor, ValueError where there are more or fewer
    weights than files, or none.
    """
    given = [1] * len(paths) if weights is None else weights
    if len(given) != len(paths):
        raise ValueError(f"{len(given)} weights for {len(paths)} checkpoints")
    *_, last = prefix_means(paths, [given])
    return last


def mean_of_states(
    states: Iterable[Mapping[str, Tensor]], weights: Iterable[float] | None = None
) -> dict[str, Tensor]:
    """The weighted mean (by default uniform) of state dicts, as a new state dict on CPU.

    Entries that are one tensor stay one. The states may be made one after the other. Raises
    CheckpointError and ValueError as `Mean` does.
    """
    mean = Mean()
    pairs = (
        ((state, 1) for state in states) if weights is None else zip(states, weights, strict=True)
    )
    for place, (state, weight) in enumerate(pairs):
        one = Checkpoint(dict(state), checkpoint.ties(state))
        mean.add(one, weight, source=f"state dict {place}")
    return mean.result().tensors


def prefix_means(
    paths: Sequence[Path], weightings: Iterable[Sequence[float]]
) -> Iterator[Checkpoint]:
    """The mean of the first `len(weights)` files, for each `weights` in `weightings`.

    Where a weighting begins with the one before it, only the new files are added: the same
    additions in the same order, so the same bits as from the start. Raises as `mean_of_files`.
    """
    running, done = Mean(), list[float]()
    for weights in weightings:
        if not 0 < len(weights) <= len(paths):
            raise ValueError(f"{len(weights)} weights for {len(paths)} checkpoints")
        if list(weights[: len(done)]) != done:
            running, done = Mean(), []
        for path, weight in zip(paths[len(done) :], weights[len(done) :], strict=False):
            running.add(checkpoint.load(path), weight, source=str(path))
        done = list(weights)
        yield running.result()
