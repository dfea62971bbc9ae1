"""Weight averaging of neural networks: train once, keep every epoch, average any window.

    recorder = polyak.Recorder("outputs/recorded/my_run", model, settings={"seed": 0})
    study = polyak.open("outputs/recorded/my_run", evaluate)

Named for Polyak-Ruppert averaging (Ruppert 1988; Polyak and Juditsky 1992,
https://doi.org/10.1137/0330046).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyak.evaluation.metric import Metric
    from polyak.recorder.adopted import adopt
    from polyak.recorder.recorder import Recorder
    from polyak.study.study import open

__version__ = "0.1.0"
__all__ = ["Metric", "Recorder", "__version__", "adopt", "open"]


def __getattr__(name: str) -> Any:
    """What the package offers, imported when it is asked for: it needs torch."""
    places = {
        "Metric": "polyak.evaluation.metric",
        "Recorder": "polyak.recorder.recorder",
        "adopt": "polyak.recorder.adopted",
        "open": "polyak.study.study",
    }
    if name in places:
        return getattr(import_module(places[name]), name)
    raise AttributeError(f"module 'polyak' has no attribute {name!r}")
