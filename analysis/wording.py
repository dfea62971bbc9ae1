"""How numbers are worded, wherever a person reads them. Accuracies are fractions in files and
percentages here; differences of accuracies are points.

count(3, "run"), points(0.0264), window(10, 20)   # "3 runs", "+2.64", "epochs 10..19"
"""

from collections.abc import Iterable

import pandas as pd

from analysis.statistics.interquartile_mean import InterquartileMean
from analysis.statistics.intervals import Interval
from analysis.statistics.two_way import TwoWay


def count(number: int, noun: str) -> str:
    """ "1 run", "2,000 runs", "3 trajectories"."""
    if number != 1:
        noun = noun.removesuffix("y") + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun}"


def n_of(counts: Iterable[int]) -> str:
    """The n of points or cells: "n = 3", or "n = 2 to 3"."""
    low, high = min(counts := list(counts)), max(counts)
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def percent(value: float) -> str:
    """An accuracy: "91.30"; "" for NaN."""
    return "" if pd.isna(value) else f"{round(100 * value, 9):.2f}"


def points(value: float) -> str:
    """A difference of accuracies: "+2.64"."""
    return f"{round(100 * value, 2) + 0.0:+.2f}"  # never -0.00


def interval(found: Interval) -> str:
    """ "95 % t interval +1.90 to +3.38", in points, or why there is none."""
    if found.low is not None and found.high is not None:
        return f"95 % t interval {points(found.low)} to {points(found.high)}"
    return "no interval" if found.n == 1 else "identical for all seeds: no interval"


def p_value(p: float | None) -> str:
    """ "p = 0.0123", or "p < 0.0001"; "" for None."""
    if p is None or pd.isna(p):
        return ""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def candidate(values: pd.Series) -> str:
    """ "average of epochs 10..19 (uniform) at learning rate 0.05"."""
    epochs = window(values["start"], values["end"], values["stride"])
    return f"average of {epochs} ({values['scheme']}) at learning rate {values['learning_rate']:g}"


def window(start: float, end: int, stride: int = 1) -> str:
    """ "epochs 10..19", "epochs 10.5..19", "epoch 19 alone", or "epoch 19 from 19.5 on"; the scheme
    names the stride."""
    last = range(int(start), end, stride)[-1]
    if last > start:
        return f"epochs {start:g}..{last}"
    return f"epoch {last} alone" if last == start else f"epoch {last} from {start:g} on"


def score(value: float, metric: str) -> str:
    """ "87.23 %", "0.3512 nats"."""
    return f"{value:.4f} nats" if metric == "loss" else f"{round(100 * value, 9):.2f} %"


def amount(value: float, metric: str, signed: bool = True) -> str:
    """A difference of scores: "+0.27 points", "-0.0120 nats"."""
    sign = "+" if signed else ""
    if metric == "loss":
        return f"{round(value, 4) + 0.0:{sign}.4f} nats"
    return f"{round(100 * value, 2) + 0.0:{sign}.2f} points"


def limits(found: Interval | TwoWay | InterquartileMean, metric: str) -> str:
    """An interval's limits without their unit, with a space before: " [-1.14, +0.61]"; "" where
    there are none."""
    if found.low is None or found.high is None:
        return ""
    low, high = (amount(value, metric).rpartition(" ")[0] for value in (found.low, found.high))
    return f" [{low}, {high}]"


def numbers(found: Interval | InterquartileMean, metric: str) -> str:
    """A mean and its limits, without their unit: "-0.27 [-1.14, +0.61]"."""
    return amount(found.mean, metric).rpartition(" ")[0] + limits(found, metric)
