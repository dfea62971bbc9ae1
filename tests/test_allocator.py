"""Freed memory is kept under glibc, with a switch to turn that off."""

import os
import platform
import subprocess
import sys

import pytest

from tests.small import ROOT

# Page faults of making and freeing 64 MB forty times: each is some 16,000 faults where the memory
# goes back to the system.
CODE = """
import resource, sys
from polyak import allocator
kept = allocator.keep_freed_memory()
assert "torch" not in sys.modules
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):
    bytearray(64 << 20)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**env: str) -> tuple[bool, int]:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **env},
    )
    kept, count = done.stdout.split()
    return kept == "True", int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone is set")
def test_freed_memory_is_used_again_and_the_switch_turns_it_off():
    kept, few = faults()
    off, many = faults(POLYAK_ALLOCATOR="system")
    assert (kept, off) == (True, False)
    assert few < many / 4


def test_elsewhere_it_does_nothing(monkeypatch):
    from polyak import allocator

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: pytest.fail("called"))
    assert not allocator.keep_freed_memory()
