"""Points on lines and planes through weights: sums of checkpoints whose shares sum to 1.

    affine = Affine({"first": first, "average": average}, kept="first")
    affine.point({"first": 1.2, "average": -0.2})       # a Checkpoint beyond the first

A mean's weights are never negative (`averaging.mean`); beyond the checkpoints, shares are.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from polyak.averaging.mean import round_once
from polyak.errors import CheckpointError
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.layout import Layout, check_averaged, check_same


class Affine:
    """Checkpoints of one model, by name, and the name of the one that integer and boolean tensors
    come from. `sources` are what errors call them: their paths, or by default their names.

    Raises CheckpointError, naming checkpoint and tensor, where names, shapes, dtypes or ties differ
    or a value is not finite.
    """

    def __init__(
        self,
        checkpoints: Mapping[str, Checkpoint],
        *,
        kept: str,
        sources: Mapping[str, str] | None = None,
    ) -> None:
        self._checkpoints, self._kept = checkpoints, checkpoints[kept]
        called = sources or {name: name for name in checkpoints}
        first, *others = (Layout.of(one, called[name]) for name, one in checkpoints.items())
        check_averaged(first)
        for other in others:
            check_same(first, other)
        for source, state in checkpoints.items():
            for name in first.averaged:
                if not bool(torch.isfinite(state.tensors[name]).all()):
                    raise CheckpointError(
                        f"{called[source]}: tensor {name!r} has values that are not finite"
                    )
        self.layout = first

    def point(self, shares: Mapping[str, float]) -> Checkpoint:
        """The sum of the checkpoints times their shares: added in float64 in the order given and
        rounded once to each tensor's dtype. A checkpoint whose share is 0 is left out, so that the
        point at a checkpoint has its bits.

        Raises ValueError for shares that don't sum to 1, CheckpointError where a tensor overflows
        its dtype.
        """
        shares = {name: share for name, share in shares.items() if share}
        if abs(sum(shares.values()) - 1) > 1e-9:
            raise ValueError(f"shares {shares}: allowed: their sum is 1")
        found = {name: self._sum(name, shares) for name in self.layout.averaged}
        for name, tensor in self._kept.tensors.items():
            if not tensor.is_floating_point():
                found[name] = tensor.clone()
        copies = self.layout.copies
        tensors = {name: found[copies.get(name, name)] for name in self.layout.entries}
        return Checkpoint(tensors, self.layout.tied)

    def _sum(self, name: str, shares: Mapping[str, float]) -> Tensor:
        terms = [
            self._checkpoints[one].tensors[name].to(torch.float64) * share
            for one, share in shares.items()
        ]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        rounded = round_once(total, self.layout.entries[name].dtype)
        if not bool(torch.isfinite(rounded).all()):
            raise CheckpointError(f"tensor {name!r} overflows {rounded.dtype}; go less far beyond")
        return rounded
