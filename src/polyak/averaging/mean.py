"""Exact means of checkpoints: float64 sums in the order given, one division, rounded once.

    average = mean_of_files([run / f"checkpoints/epoch_{e:03d}.safetensors" for e in range(10, 20)])
    model.load_state_dict(average.tensors)

Memory holds one float64 sum and one checkpoint, however many there are. Integer and boolean
entries are never averaged: they come from the last checkpoint. Tied tensors are averaged once and
stay tied. The mean of iterates: Polyak and Juditsky 1992; of networks: Izmailov et al. 2018
(https://arxiv.org/abs/1803.05407).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint

AVERAGED = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""The dtypes that have means."""


class Mean:
    """The weighted mean of the checkpoints added so far."""

    def __init__(self) -> None:
        self._layout: dict[str, tuple[torch.dtype, torch.Size]] = {}
        self._tied: tuple[tuple[str, ...], ...] = ()
        self._sums: dict[str, Tensor] = {}
        self._kept: dict[str, Tensor] = {}
        self._total: float = 0  # stays an int, and exact, while the weights are integers
        self.count = 0

    def add(self, state: Checkpoint, weight: float = 1, *, source: str = "a checkpoint") -> None:
        """Add a checkpoint. `source` names it in errors.

        Raises CheckpointError where names, shapes, dtypes or ties differ from the first one's or a
        value is not finite, and ValueError for a weight that is negative or not finite. The mean
        is unchanged by a checkpoint that was refused.
        """
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"weight of {source}: {weight}; allowed: finite and not negative")
        layout = {name: (tensor.dtype, tensor.shape) for name, tensor in state.tensors.items()}
        if self.count == 0:
            self._layout, self._tied = layout, state.tied
        self._check(state, layout, source)
        copies = {name for group in state.tied for name in group[1:]}
        for name, tensor in state.tensors.items():
            # Every copy is fresh: neither the sums nor the mean alias the (perhaps live) weights.
            if not tensor.is_floating_point():
                self._kept[name] = tensor.detach().to("cpu", copy=True)
            elif name not in copies:
                term = tensor.detach().to("cpu", torch.float64, copy=True).mul_(weight)
                self._sums[name] = self._sums[name].add_(term) if self.count else term
        self._total += weight
        self.count += 1

    def result(self) -> Checkpoint:
        """The mean as a new state dict on CPU; ValueError where the weights are all zero."""
        if not self._total > 0:
            raise ValueError("a mean needs at least one checkpoint with a weight above 0")
        means = {
            name: round_once(total / self._total, self._layout[name][0])
            for name, total in self._sums.items()
        }
        for name, mean in means.items():
            if not bool(torch.isfinite(mean).all()):
                raise CheckpointError(f"the mean of tensor {name!r} overflows {mean.dtype}")
        means |= {name: kept.clone() for name, kept in self._kept.items()}
        for group in self._tied:
            means |= dict.fromkeys(group, means[group[0]])
        return Checkpoint({name: means[name] for name in self._layout}, self._tied)

    def _check(
        self, state: Checkpoint, layout: dict[str, tuple[torch.dtype, torch.Size]], source: str
    ) -> None:
        same_model = "only checkpoints of one model can be averaged"
        for name in sorted(self._layout.keys() | layout.keys()):
            first, this = self._layout.get(name), layout.get(name)
            if first != this:
                raise CheckpointError(
                    f"{source}: tensor {name!r} is {_shown(this)}, but {_shown(first)} in the "
                    f"first checkpoint; {same_model}"
                )
        if state.tied != self._tied:
            raise CheckpointError(
                f"{source}: tied tensors are {list(state.tied)}, but {list(self._tied)} in the "
                f"first checkpoint; {same_model}"
            )
        for name, tensor in state.tensors.items():
            if (tensor.is_floating_point() or tensor.is_complex()) and tensor.dtype not in AVERAGED:
                raise CheckpointError(
                    f"{source}: tensor {name!r} is {tensor.dtype}; allowed: {AVERAGED} and integers"
                )
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise CheckpointError(
                    f"{source}: tensor {name!r} has values that are not finite; "
                    "leave this checkpoint out of the window"
                )


def _shown(entry: tuple[torch.dtype, torch.Size] | None) -> str:
    return f"{entry[0]} {list(entry[1])}" if entry else "missing"


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

    Raises CheckpointError naming the file and tensor, ValueError for weights that do not fit.
    """
    *_, last = prefix_means(paths, [weights if weights is not None else [1] * len(paths)])
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
        whole = Checkpoint(dict(state), checkpoint.ties(state))
        mean.add(whole, weight, source=f"state dict {place}")
    return mean.result().tensors


def prefix_means(
    paths: Sequence[Path], weightings: Iterable[Sequence[float]]
) -> Iterator[Checkpoint]:
    """The mean of the first `len(weights)` files, for each `weights` in `weightings`.

    Where a weighting begins with the one before it, only the new files are added: the same
    additions in the same order, so the same bits as from the start.
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
