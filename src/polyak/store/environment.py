"""Where a training runs: device, threads, versions.

device = choose_device("auto")
"""

import logging
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from polyak.errors import ConfigError
from polyak.models.precision import fast_bf16

log = logging.getLogger(__name__)

DEFAULT_THREADS = torch.get_num_threads()
"""torch's own choice, before any job of a sweep has changed it."""


def prepare(device: str, threads: int | None, precision: str) -> torch.device:
    """Set the number of CPU threads (None: torch's choice) and choose the device."""
    torch.set_num_threads(threads or DEFAULT_THREADS)
    chosen = choose_device(device)
    if precision == "bf16" and not fast_bf16(chosen):
        log.warning("bf16 is emulated here, and slower than fp32: no instructions for it")
    return chosen


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA, else MPS, else CPU. ConfigError if not there."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"training.device = {name}: this machine has {torch.cuda.device_count()} CUDA devices; "
            "allowed: auto, cpu" + (", mps" if mps else "")
        )
    if device.type == "mps" and not mps:
        raise ConfigError("training.device = mps: not on this machine; allowed: auto, cpu")
    return device


def describe(device: torch.device, precision: str) -> dict[str, Any]:
    """What decides the last bits of a result, and versions: plain values for JSON."""
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    else:
        hardware = platform.processor() or platform.machine()
    return {
        "device": device.type,
        "hardware": hardware,
        "threads": torch.get_num_threads(),
        "precision": precision,
        "commit": commit(Path(__file__).parent),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
    }


def commit(folder: Path) -> str | None:
    """The git commit of the code in `folder`, with "-dirty" where tracked files differ from it;
    None outside git."""
    try:
        found = subprocess.run(
            [
                "git",
                "-C",
                str(folder),
                "describe",
                "--always",
                "--dirty",
                "--abbrev=40",
                "--exclude=*",
            ],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
