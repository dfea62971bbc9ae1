"""Averages of checkpoints: exact means (`mean.py`, `stream.py`), and how a window is weighted
(`scheme.py`, `schemes/`).

    from polyak.averaging.mean import mean_of_states
    from polyak.averaging.schemes.exponential import Exponential

Naming a scheme needs no torch.
"""
