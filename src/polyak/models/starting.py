"""A model that starts from a file of weights, to be tuned further.

make = StartingFrom(lambda: SmallCNN((3, 32, 32), 10), Path("weights.safetensors"))
make.digest   # of the weights, for the fingerprint
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.foreign import open_source
from polyak.weights.layout import Layout, check_same


class StartingFrom:
    """A factory of models with the weights of a file, to be tuned further. The file is any that
    `weights.foreign` reads; its weights must fit the model, name by name.

    `digest` is the SHA-256 of the weights: names, dtypes, shapes and bytes. Raises CheckpointError
    where they don't fit, have values that no network has, or are no longer those that were read
    first.
    """

    def __init__(self, make: Callable[[], nn.Module], path: Path) -> None:
        self.make, self.path = make, path
        tensors = self._read().tensors
        for name, tensor in tensors.items():
            least = 0 if name.endswith("running_var") else -torch.inf
            if not bool((tensor.isfinite() & (tensor >= least)).all()):
                raise CheckpointError(
                    f"training.init = {path}: tensor {name!r} has values that are not finite, or "
                    "negative variances; start from other weights"
                )
        self.digest = checkpoint.digest(tensors)

    def __call__(self) -> nn.Module:
        model, found = self.make(), self._read()
        if checkpoint.digest(found.tensors) != self.digest:
            raise CheckpointError(f"{self.path}: has changed since this run began")
        state = model.state_dict()
        wanted = Layout.of(Checkpoint(state), "the model")
        check_same(wanted, Layout.of(found, str(self.path)))
        model.load_state_dict(found.tensors)
        return model

    def _read(self) -> Checkpoint:
        with open_source(self.path) as source:
            return Checkpoint({name: source.tensor(name).clone() for name in source.names})
