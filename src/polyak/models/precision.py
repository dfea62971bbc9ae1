"""The precision in which a model runs forward.

with autocast(torch.device("cpu"), "bf16"):
    logits = model(images)
"""

import contextlib
import platform
from typing import Any

import torch


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Nothing for "fp32", torch's autocast for "bf16" (weights and their updates stay float32)."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 by instructions of its own. Others emulate it: right,
    and slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        if platform.machine() in ("x86_64", "AMD64"):
            return bool(torch.cpu._is_avx512_bf16_supported())
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return True
