"""A model's initial weights, by a seed.

model = initial_model(lambda: SmallCNN((3, 32, 32), 10), seed=0)
"""

from collections.abc import Callable

import torch
from torch import nn


def initial_model(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A model with the weights that `seed` gives it, made on the CPU so that they are the same for
    every device. Its convolutions run channels-last, the faster format: as weights are, so are
    activations. Leaves torch's global CPU generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().to(memory_format=torch.channels_last)
