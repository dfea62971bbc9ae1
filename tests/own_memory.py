"""The memory that a piece of code takes, in a process of its own, beyond what was there.

printed, used = beyond("import torch", "torch.ones(1 << 20)", [])
"""

import ctypes
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path


def beyond(before: str, watched: str, arguments: Sequence[object]) -> tuple[str, int]:
    """What the code `before` prints, and the most bytes of its own that the process has during
    `watched`, beyond those after `before`. Linux only. `arguments` are sys.argv[1:]."""
    from tests import processes

    with tempfile.TemporaryDirectory() as directory:
        printed = Path(directory, "printed")
        process = processes.forked(_watch, before, watched, [*map(str, arguments)], printed)
        process.join(240)
        lines = printed.read_text()
    assert process.exitcode == 0, lines
    said, _, used = lines.strip().rpartition("\n")
    return said, int(used)


def _watch(before: str, watched: str, arguments: list[str], printed: Path) -> None:
    with printed.open("w") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    sys.argv[1:] = arguments
    names = {"sys": sys, "Path": Path}
    exec(before, names)
    ctypes.CDLL(None).malloc_trim(0)  # what was freed by imports would be taken without notice
    start, most, done = own(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.0005):
            most[0] = max(most[0], own())

    thread = threading.Thread(target=watch)
    thread.start()
    exec(watched, names)
    done.set()
    thread.join()
    print(most[0] - start, flush=True)


def own() -> int:
    """Bytes, without pages of files, which the system takes back as it likes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024
