"""Averages of checkpoints: exact means (`mean.py`) and how a window is weighted (`schemes.py`)."""

from polyak.averaging.mean import Mean, mean_of_files, prefix_means, round_once
from polyak.averaging.schemes import Scheme, Uniform

__all__ = ["Mean", "Scheme", "Uniform", "mean_of_files", "prefix_means", "round_once"]
