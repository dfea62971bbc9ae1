"""Where a trajectory is trained: device, threads, versions.

device = choose_device("auto")
"""

import logging
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from polyak.errors import ConfigError, StoreError

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
    kind, _, index = name.partition(":")
    # Before torch.device, which takes indices modulo 256.
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"training.device = {name}: this machine has {torch.cuda.device_count()} CUDA devices; "
            "allowed: auto, cpu" + (", mps" if mps else "")
        )
    if kind == "mps" and not mps:
        raise ConfigError("training.device = mps: not on this machine; allowed: auto, cpu")
    return torch.device(name)


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
        **{
            name: found
            for name in ("torchvision", "timm", "schedulefree")
            if (found := _version(name))
        },
        "platform": platform.platform(),
    }


@cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # an extra
        return None


SAME = ("torch", "device", "threads")
"""What an unfinished trajectory is only continued with: it decides the last bits."""


def check_same(device: torch.device, began_in: Mapping[str, Any], what: str) -> None:
    """Raise StoreError, naming `what`, where this process differs from the environment `began_in`
    (as `describe` gives it) in anything of SAME."""
    now = {"torch": torch.__version__, "device": device.type, "threads": torch.get_num_threads()}
    for key in SAME:
        if now[key] != began_in.get(key):
            raise StoreError(
                f"{what}: was begun with {key} = {began_in.get(key)}, and can't be continued with "
                f"{now[key]}: the weights would not be those of one environment. Use the same "
                f"{'training.' * (key != 'torch')}{key}, or another paths.trajectories"
            )


@cache
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
