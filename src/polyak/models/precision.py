"""The precision in which a model runs forward.

with autocast(torch.device("cpu"), "bf16"):
    logits = model(images)
"""

import contextlib
from typing import Any

import torch


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Nothing for "fp32", torch's autocast for "bf16" (weights and their updates stay float32)."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
