"""Importing the large packages without looking for garbage meanwhile.

with quickly():
    import torch

Python's collector walks all objects again and again as they become more, and once more with each
full collection of the process; what an import makes is never garbage.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quickly() -> Iterator[None]:
    """Collect nothing meanwhile; what is there after new imports is not looked at again. A no-op
    where all is imported already, as at the later points of a sweep."""
    there, enabled = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > there:
            gc.freeze()
        if enabled:
            gc.enable()
