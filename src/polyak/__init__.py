"""Weight averaging of neural networks: train once, keep every epoch, average any window.

    recorder = polyak.Recorder("outputs/recorded/my_run", model, settings={"seed": 0})

Named for Polyak-Ruppert averaging (Ruppert 1988; Polyak and Juditsky 1992,
https://doi.org/10.1137/0330046).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyak.study.recorder import Recorder

__version__ = "0.1.0"
__all__ = ["Recorder", "__version__"]

_PLACES = {"Recorder": "polyak.study.recorder"}
"""Where what this package offers is, which is imported when asked for: it needs torch."""


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'polyak' has no attribute {name!r}")
