"""Averages of checkpoints: exact means (`mean.py`) and how a window is weighted (`schemes.py`)."""

from polyak.averaging.mean import Mean, mean_of_files, mean_of_states, prefix_means, round_once
from polyak.averaging.schemes import (
    Explicit,
    Exponential,
    Greedy,
    Latest,
    Power,
    Ramp,
    Scheme,
    Uniform,
    described,
)

__all__ = [
    "Explicit",
    "Exponential",
    "Greedy",
    "Latest",
    "Mean",
    "Power",
    "Ramp",
    "Scheme",
    "Uniform",
    "described",
    "mean_of_files",
    "mean_of_states",
    "prefix_means",
    "round_once",
]
