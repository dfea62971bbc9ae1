"""A progress bar on a terminal, which begins when it is known how many there are to do.

with bar("window") as begin:
    rows = windows.complete(..., bar=begin)
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tqdm import tqdm

Bar = Callable[[int], Callable[[], object]]
"""Of how many there are, what is to be called after each."""


def no_bar(count: int) -> Callable[[], object]:
    """Shows nothing."""
    return lambda: None


@contextmanager
def bar(unit: str) -> Iterator[Bar]:
    """What begins it, within `with`, at whose end it ends."""
    with ExitStack() as stack:

        def begin(count: int) -> Callable[[], object]:
            shown = tqdm(total=count, unit=unit, disable=not sys.stderr.isatty())
            return stack.enter_context(shown).update

        yield begin
