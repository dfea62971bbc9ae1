"""Memory allocation for training on Linux: keep freed memory, in huge pages.

    keep_freed_memory()    # before torch is imported

glibc hands every large activation back to the system and takes page faults to get it again. This
changes a process's speed and memory, never its results. POLYAK_ALLOCATOR=system turns it off.
"""

import ctypes
import os
import platform

SWITCH = "POLYAK_ALLOCATOR"

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> bool:
    """Set this process's allocator; whether it did. A no-op elsewhere than under glibc."""
    if os.environ.get(SWITCH) == "system" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    largest = 2**31 - 1  # mallopt takes an int
    mallopt(_MMAP_THRESHOLD, largest)
    mallopt(_TRIM_THRESHOLD, largest)
    mallopt(_TOP_PAD, 2**28)
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch asks for huge pages
    return True
