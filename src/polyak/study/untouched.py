"""What somebody's own function is not to change, and whether it did: random states, tensors.

with random_states() as drew:
    function(copied(state))
drew()      # whether it drew from a global generator; they are as before
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyak.weights import checkpoint


@contextmanager
def random_states(seed: int | None = None) -> Iterator[Callable[[], bool]]:
    """Give the global generators of torch, numpy and Python back as they were; with a `seed`, they
    begin from it inside. Afterwards, what it yields says whether anything was drawn."""
    before, drawn = _states(), [False]
    try:
        if seed is not None:
            torch.manual_seed(seed)
            np.random.seed(seed)
            random.seed(seed)
        began = _states()
        yield lambda: drawn[0]
        drawn[0] = not _same(began, _states())
    finally:
        random.setstate(before["python"])
        np.random.set_state(before["numpy"])
        torch.set_rng_state(before["torch"])
        for device, state in enumerate(before["cuda"]):
            torch.cuda.set_rng_state(state, device)


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy that shares nothing with `state`; names that are one tensor are one in it."""
    found = {name: tensor.detach().clone() for name, tensor in state.items()}
    for first, *others in checkpoint.ties(state):
        found |= dict.fromkeys(others, found[first])
    return found


def _states() -> dict[str, Any]:
    # Where CUDA has not begun, nothing was drawn there.
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": cuda,
    }


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    numpy = all(np.array_equal(a, b) for a, b in zip(one["numpy"], other["numpy"], strict=True))
    cuda = all(torch.equal(a, b) for a, b in zip(one["cuda"], other["cuda"], strict=False))
    same_torch = torch.equal(one["torch"], other["torch"])
    return one["python"] == other["python"] and numpy and cuda and same_torch
