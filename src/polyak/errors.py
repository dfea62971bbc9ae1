"""Errors that a user can resolve: the message names the key or file, the value found, and the fix.

`train.py` prints them as one line; any other exception is a bug and keeps its traceback.
"""

from functools import partial
from typing import Any


class PolyakError(Exception):
    """Base of all errors that this project raises on purpose."""


class ConfigError(PolyakError):
    """A configuration value, or a combination of values, that cannot work."""


class DataError(PolyakError):
    """Data that cannot be had, or files that are not what they should be."""


class CheckpointError(PolyakError):
    """A file of weights that is missing, corrupted, or does not fit the others."""


class EvaluationError(PolyakError):
    """A function of somebody's own that doesn't evaluate weights as it is to."""


class StoreError(PolyakError):
    """A store of trajectories that cannot be used or written, or does not hold what it says."""


class DivergedError(PolyakError):
    """Training whose loss or weights stopped being finite.

    `epoch` is zero-based; the message names it and its learning rate.
    """

    def __init__(self, message: str, *, epoch: int) -> None:
        super().__init__(message)
        self.epoch = epoch

    def __reduce__(self) -> tuple[Any, ...]:
        """Parallel launchers send it from process to process."""
        return partial(DivergedError, epoch=self.epoch), self.args
