"""How counts, windows and candidates are worded, wherever a person reads them; `analysis.units`
has the metrics.

count(3, "run"), window(10, 20), p_value(0.0123)   # "3 runs", "epochs 10..19", "p = 0.012"
"""

from collections.abc import Iterable

import pandas as pd


def count(number: int, noun: str) -> str:
    """ "1 run", "2,000 runs", "3 trajectories"."""
    if number != 1:
        noun = noun.removesuffix("y") + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun}"


def how_many(number: float) -> str:
    """ "26,032", or "unknown number of" where a run doesn't say."""
    return "unknown number of" if pd.isna(number) else f"{number:,.0f}"


def n_of(counts: Iterable[int]) -> str:
    """The n of points or cells: "n = 3", or "n = 2 to 3"."""
    low, high = min(counts := list(counts)), max(counts)
    return f"n = {low}" if low == high else f"n = {low} to {high}"


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
