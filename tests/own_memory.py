"""The memory that a piece of code takes, in a process of its own, beyond what was there.

printed, used = beyond("import torch", "torch.ones(1 << 20)", [])
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from tests.small import ROOT

_WATCHED = """
import sys, threading
from pathlib import Path
{before}

def own_memory():  # without pages of files, which the system takes back as it likes
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024

before, most, done = own_memory(), [0], threading.Event()

def watch():
    while not done.wait(0.0005):
        most[0] = max(most[0], own_memory())

thread = threading.Thread(target=watch)
thread.start()
{watched}
done.set()
thread.join()
print(most[0] - before)
"""


def beyond(before: str, watched: str, arguments: Sequence[object]) -> tuple[str, int]:
    """What the code `before` prints, and the most bytes of its own that the process has during
    `watched`, beyond those after `before`. Linux only. `arguments` are sys.argv[1:]."""
    code = _WATCHED.format(before=before.strip(), watched=watched.strip())
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT / "src",
        # Such settings of the person's have memory kept, and taken in huge pages.
        env={
            key: value for key, value in os.environ.items() if not key.startswith(("MALLOC", "THP"))
        },
    )
    assert done.returncode == 0, done.stderr
    printed, _, used = done.stdout.strip().rpartition("\n")
    return printed, int(used)
