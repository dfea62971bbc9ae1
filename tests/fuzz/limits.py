"""What one case may take: 2 s of the process's CPU time and 500 MB of memory.

with within():
    load(path)        # Exceeded where it takes more

CPU time, so that a busy machine fails nothing. Memory is the peak of the resident set, which Linux
resets on request (elsewhere, `ru_maxrss`: a case shows only where it exceeds all before it). What
would end the tests themselves is stopped on the way: a timer interrupts a case after three times
its seconds, and no case gets more than GUARD of address space beyond what is there. A refused
allocation is a finding too, whatever error it became: on a larger machine it would have succeeded.
"""

import ctypes
import re
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 2.0
BYTES = 500 * 2**20
GUARD = 3 * 2**30
_REFUSED = re.compile(r"can't allocate memory|cannot allocate memory|not enough memory", re.I)
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Exceeded(BaseException):  # no Exception: a reader may catch these
    """A case that took more than it may."""


@contextmanager
def within(seconds: float = SECONDS, most: int = BYTES) -> Iterator[None]:
    """Raise Exceeded where what is inside takes more, in place of what it raises itself."""
    _reset_peak()
    before, began = _peak(), time.process_time()
    raised: BaseException | None = None
    try:
        with _interrupted(3 * seconds), _guarded():
            yield
    except Exception as error:
        raised = error
    spent, grown = time.process_time() - began, _peak() - before
    if spent > seconds:
        raise Exceeded(f"took more than {seconds:g} s of CPU time") from raised
    if grown > most:
        raise Exceeded(f"took more than {most // 2**20} MB of memory") from raised
    if raised is not None and _refused(raised):
        raise Exceeded(f"asked for more than {GUARD // 2**20} MB of memory") from raised
    if raised is not None:
        raise raised


@contextmanager
def _interrupted(seconds: float) -> Iterator[None]:
    """SIGPROF counts the CPU time of the process, so pytest-timeout's SIGALRM stays as it is."""

    def stop(*_: object) -> None:
        raise Exceeded(f"took more than {seconds:g} s of CPU time, and was interrupted")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _guarded() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform != "linux" or (used := _read("VmSize")) is None:
        yield
        return
    most = used + GUARD
    resource.setrlimit(
        resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _refused(error: BaseException | None) -> bool:
    """Whether it, or what it came from, is a refused allocation."""
    while error is not None:
        if isinstance(error, MemoryError) or _REFUSED.search(str(error)[:2000]):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reset_peak() -> None:
    """Freed memory goes back to the system first: taken again, it would not count."""
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)
    if _RESET.exists():
        _RESET.write_text("5")


def _peak() -> int:
    """Bytes."""
    found = _read("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if found is None else found


def _read(key: str) -> int | None:
    if not _STATUS.exists():
        return None
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None
