"""The mean of a model's weights after every step, kept while it trains.

    mean = StepMean(model)
    for step in trainer.steps(epoch):
        mean.add()                      # the weights as they are now
    state = mean.result()               # of all steps since it was made, on the CPU

What decides the weights doesn't know of it: it reads them. Sums are in float64, one copy of the
weights; where a device has no float64 (MPS), in three float32 parts that lose nothing of it.
"""

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyak.averaging.mean import round_once
from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.layout import Layout, check_averaged

Array = NDArray[Any]


class HasState(Protocol):
    """A model, or what stands for one."""

    def state_dict(self) -> dict[str, Any]:
        """Its live tensors by name."""


class StepMean:
    """The mean of all floating tensors of the model's state dict at each `add`, running statistics
    of norms among them. Integers and booleans are those of the latest step."""

    def __init__(self, model: HasState) -> None:
        self._model, self.count = model, 0
        state = model.state_dict()
        self._layout = Layout.of(Checkpoint(dict(state), checkpoint.ties(state)), "the model")
        check_averaged(self._layout)
        self._live = {name: state[name].detach() for name in self._layout.averaged}
        self._sums = {name: _sum_of(tensor) for name, tensor in self._live.items()}

    @torch.no_grad()
    def add(self) -> None:
        """Add the weights that the model has now."""
        for total in self._sums.values():
            total.add()
        self.count += 1

    @torch.no_grad()
    def result(self) -> dict[str, Tensor]:
        """The mean as a state dict of new tensors on the CPU: each entry the float64 sum, divided
        once and rounded once to its dtype. Tied entries are one tensor.

        Raises ValueError where nothing was added, CheckpointError where the model has put another
        tensor in the place of one that was read.
        """
        if not self.count:
            raise ValueError("a mean over steps needs at least one")
        state = self._model.state_dict()
        for name, tensor in self._live.items():
            if state[name].data_ptr() != tensor.data_ptr():
                raise CheckpointError(
                    f"{name} is another tensor than at the interval's beginning, so its mean over "
                    "steps is not known; allowed: a model that changes its tensors in place, or "
                    "recording.means=false"
                )
        entries, copies = self._layout.entries, self._layout.copies
        found = {
            name: round_once(total.value() / self.count, entries[name].dtype).cpu()
            for name, total in self._sums.items()
        }
        kept = {name: tensor for name, tensor in state.items() if not tensor.is_floating_point()}
        found |= {name: kept[name].detach().to("cpu", copy=True) for name in kept}
        return {name: found[copies.get(name, name)] for name in entries}


class _Wide:
    """The sum of a tensor's values over time, in float64. On the CPU numpy adds, which widens a
    piece at a time, in the cache: torch would first make all of it wide."""

    def __init__(self, live: Tensor) -> None:
        self._live, self._total = live, torch.zeros_like(live, dtype=torch.float64)
        self._wide, self._narrow = _flat(self._total), _flat(live)

    def add(self) -> None:
        if self._wide is None or self._narrow is None:
            self._total.add_(self._live)
        else:
            np.add(self._wide, self._narrow, out=self._wide)

    def value(self) -> Tensor:
        return self._total


class _Compensated:
    """The same in float32 parts: what adding to one part loses, which is a float32, goes to the
    next (Knuth's two-sum; Klein 2006, https://doi.org/10.1007/s00607-005-0139-x, cascades it)."""

    def __init__(self, live: Tensor, parts: int = 3) -> None:
        self._live = live
        self._parts = [torch.zeros_like(live, dtype=torch.float32) for _ in range(parts)]

    def add(self) -> None:
        term = self._live.float()
        for part in self._parts[:-1]:
            total = part + term
            added = total - part
            term = (part - (total - added)) + (term - added)
            part.copy_(total)
        self._parts[-1].add_(term)

    def value(self) -> Tensor:
        smallest, *others = (part.cpu().double() for part in reversed(self._parts))
        return sum(others, smallest)


def _sum_of(live: Tensor) -> _Wide | _Compensated:
    return _Compensated(live) if live.device.type == "mps" else _Wide(live)


def _flat(tensor: Tensor) -> Array | None:
    """A view [N] of a tensor in the order of its memory; None where that has gaps, or where numpy
    has no such device or dtype."""
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    dense = tensor.permute(order)
    if tensor.device.type != "cpu" or tensor.dtype == torch.bfloat16 or not dense.is_contiguous():
        return None
    flat: Array = dense.view(-1).numpy()
    return flat
