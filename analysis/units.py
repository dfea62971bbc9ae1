"""How scores and their differences are shown to a person, by the metric: its words, its unit, its
digits. Report and figures ask here, and nowhere else.

    score(0.8723, ACCURACY), amount(0.0027, ACCURACY)       # "87.23 %", "+0.27 points"
    score(0.8723, f1), amount(0.0027, f1)                   # "0.8723", "+0.002700 of f1"
    axis_label(LOSS, "test")                                # "test loss (nats)"

Accuracies and calibration errors are fractions in files, percentages here, and differ by points;
losses are in nats; other metrics are shown as they are, with 4 significant digits.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.statistics.interquartile_mean import InterquartileMean
from analysis.statistics.intervals import Interval
from analysis.statistics.two_way import TwoWay
from polyak.evaluation.metric import ACCURACY, CALIBRATION_ERROR, KNOWN, LOSS, Metric


@dataclass(frozen=True)
class _Look:
    """`scale`: what a score is multiplied with; `decimals`: None for 4 significant digits."""

    scale: float
    decimals: int | None
    of_scores: str
    of_differences: str


_PERCENT = _Look(100.0, 2, "%", "points")
_LOOKS = {ACCURACY: _PERCENT, CALIBRATION_ERROR: _PERCENT, LOSS: _Look(1.0, 4, "nats", "nats")}


def _look(metric: Metric) -> _Look:
    return _LOOKS.get(metric) or _Look(1.0, None, "", "")


def words(metric: Metric) -> str:
    """ "accuracy", "calibration error", "f1"."""
    return metric.name.replace("_", " ")


def words_and_direction(metric: Metric) -> str:
    """ "accuracy"; of a metric that a run has named, with what is better: "f1 (higher is
    better)"."""
    if metric.name in KNOWN:
        return words(metric)
    return f"{words(metric)} ({'higher' if metric.higher else 'lower'} is better)"


def plural(metric: Metric) -> str:
    """ "accuracies", "f1 scores"."""
    several = {ACCURACY: "accuracies", LOSS: "losses", CALIBRATION_ERROR: "calibration errors"}
    return several.get(metric) or f"{words(metric)} scores"


def scale_of(metric: Metric) -> float:
    """What a score is multiplied with: a person reads percentages, and losses as they are."""
    return _look(metric).scale


def axis_label(metric: Metric, split: str) -> str:
    """ "test accuracy (%)", "validation loss (nats)", "test f1 (higher is better)"."""
    if unit := _look(metric).of_scores:
        return f"{split} {words(metric)} ({unit})"
    return f"{split} {words_and_direction(metric)}"


def column(metric: Metric, what: str) -> str:
    """Over a table's column of scores: "test accuracy, %", "test f1"."""
    return ", ".join(filter(None, [what, _look(metric).of_scores]))


def gain_column(metric: Metric, what: str) -> str:
    """Over a table's column of differences: "gain over the last, points", "gain over the last"."""
    return ", ".join(filter(None, [what, _look(metric).of_differences]))


def unit_of_differences(metric: Metric) -> str:
    """ "points", "nats", "f1"."""
    return _look(metric).of_differences or words(metric)


def gain_of(metric: Metric) -> str:
    """What a gain on test is of: "points of test accuracy", "test f1"."""
    return " of ".join(filter(None, [_look(metric).of_differences, f"test {words(metric)}"]))


def explained(metrics: Iterable[Metric]) -> str:
    """How a report shows these: "Accuracies in %, differences in points (hundredths)"."""
    parts = []
    for metric in dict.fromkeys(metrics):
        unit = _look(metric).of_scores or (
            "higher is better" if metric.higher else "lower is better"
        )
        part = f"{plural(metric)} in {unit}" if metric.name in KNOWN else f"{words(metric)}: {unit}"
        parts.append(part + ", differences in points (hundredths)" * (unit == "%"))
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def bare(value: float, metric: Metric) -> str:
    """A score without its unit: "91.30"; "" for NaN."""
    look = _look(metric)
    shown = round(look.scale * value, 9) if look.scale > 1 else value  # 100 * 0.57 is 56.99...
    return "" if math.isnan(value) else _digits(shown, look, "")


def score(value: float, metric: Metric) -> str:
    """ "87.23 %", "0.3512 nats", "0.8723"."""
    return f"{bare(value, metric)} {_look(metric).of_scores}".rstrip()


def difference(value: float, metric: Metric, signed: bool = True) -> str:
    """A difference of scores without its unit: "+0.27"."""
    look = _look(metric)
    return _digits(look.scale * value, look, "+" if signed else "")


def amount(value: float, metric: Metric, signed: bool = True) -> str:
    """A difference of scores: "+0.27 points", "-0.0120 nats", "+0.01230 of f1"."""
    unit = _look(metric).of_differences or f"of {words(metric)}"
    return f"{difference(value, metric, signed)} {unit}"


def named_amount(value: float, metric: Metric) -> str:
    """With the metric's name: "loss -0.0120 nats", "f1 +0.01230"."""
    shown = amount if metric.name in KNOWN else difference
    return f"{words(metric)} {shown(value, metric)}"


def limits(found: Interval | TwoWay | InterquartileMean, metric: Metric) -> str:
    """An interval's limits without their unit, with a space before: " [-1.14, +0.61]"; "" where
    there are none."""
    if found.low is None or found.high is None:
        return ""
    return f" [{difference(found.low, metric)}, {difference(found.high, metric)}]"


def numbers(found: Interval | InterquartileMean, metric: Metric) -> str:
    """A mean and its limits, without their unit: "-0.27 [-1.14, +0.61]"."""
    return difference(found.mean, metric) + limits(found, metric)


def interval(found: Interval, metric: Metric) -> str:
    """ "95 % t interval +1.90 to +3.38", without their unit, or why there is none."""
    if found.low is not None and found.high is not None:
        low, high = (difference(value, metric) for value in (found.low, found.high))
        return f"95 % t interval {low} to {high}"
    return "no interval" if found.n == 1 else "identical for all seeds: no interval"


def _digits(value: float, look: _Look, sign: str) -> str:
    if look.decimals is None:
        value *= abs(value) > 1e-12  # what the rounding of sums leaves
        return f"{value + 0.0:{sign}#.4g}".rstrip(".")
    return f"{round(value, look.decimals) + 0.0:{sign}.{look.decimals}f}"  # never -0.00
