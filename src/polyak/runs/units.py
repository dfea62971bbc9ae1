"""How a metric is shown to a person: accuracies in %, all else as it is.

label(ACCURACY, "test"), text(ACCURACY, 0.8123)       # "test accuracy (%)", "81.23 %"
label(LOSS, "test"), text(LOSS, 0.61)                 # "test loss", "0.6100"
"""

from polyak.evaluation.metric import ACCURACY, CALIBRATION_ERROR, Metric


def scale(metric: Metric) -> float:
    """What its values are multiplied by."""
    return 100.0 if metric in (ACCURACY, CALIBRATION_ERROR) else 1.0


def label(metric: Metric, split: str) -> str:
    """Of an axis."""
    return f"{split} {metric.name.replace('_', ' ')}" + " (%)" * (scale(metric) == 100)


def text(metric: Metric, value: float) -> str:
    """A value with its unit."""
    return f"{100 * value:.2f} %" if scale(metric) == 100 else f"{value:#.4g}"
