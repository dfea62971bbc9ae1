"""How everything here is measured: in turns, in processes of their own, by time and memory.

in_turns({"ours": lambda: timed(ours).wall, "theirs": ...}, turns=5)   # {"ours": [1.2, ...]}
python("src/train.py", "experiment=smoke")    # what it prints
fresh(function, *arguments)                   # its result, from a process that did nothing else
watched(lambda: ...)                          # Memory(own, resident, seconds)
"""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parents[1]

T = TypeVar("T")


class Took(NamedTuple):
    """Seconds by the clock and of the processors, which other load on the machine moves less."""

    wall: float
    cpu: float


class Memory(NamedTuple):
    """The most bytes beyond those before, the processes' own and all that is resident, with pages
    of mapped files, which the system may take back; and the seconds it took."""

    own: int
    resident: int
    seconds: float


def in_turns(cases: Mapping[str, Callable[[], T]], turns: int) -> dict[str, list[T]]:
    """What each case gives, one entry per turn: each turn in the opposite order of the one before,
    so that a slow minute of the machine slows all of them."""
    found: dict[str, list[T]] = {name: [] for name in cases}
    for turn in range(turns):
        for name in list(cases)[:: 1 if turn % 2 else -1]:
            print(f"turn {turn + 1} of {turns}: {name}", file=sys.stderr, flush=True)
            found[name].append(cases[name]())
    return found


def timed(do: Callable[[], object]) -> Took:
    """Of this process, and of its children that end meanwhile."""
    began, before = time.perf_counter(), _processors()
    do()
    return Took(time.perf_counter() - began, _processors() - before)


def _processors() -> float:
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def python(*arguments: str, **environment: str) -> str:
    """What a Python process with those arguments prints. Raises CalledProcessError."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment, "PYTHONPATH": paths},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    done.check_returncode()
    return done.stdout


def apart(function: Callable[..., object], *arguments: object, **environment: str) -> Any:
    """What a module's function gives, as JSON has it, in a process of its own: no memory is left
    over from something else there, and freed memory is kept unless POLYAK_ALLOCATOR says so."""
    module = function.__module__
    if module == "__main__":
        module = sys.modules[module].__spec__.name  # type: ignore[union-attr]
    given = json.dumps(arguments, default=str)
    return json.loads(python("-c", _APART, module, function.__name__, given, **environment))


_APART = """
import importlib, json, sys
from polyak import allocator
allocator.keep_freed_memory()
function = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
print(json.dumps(function(*json.loads(sys.argv[3]))))
"""


def watched(do: Callable[[], object]) -> Memory:
    """Sampled every millisecond, of this process and its children (Linux)."""
    before, most, done = _memory(), [0, 0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            most[:] = map(max, most, _memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        seconds = timed(do).wall
    finally:
        done.set()
        thread.join()
    own, resident = (max(0, now - then) for now, then in zip(most, before, strict=True))
    return Memory(own, resident, seconds)


def _memory() -> tuple[int, int]:
    own = resident = 0
    for process in _family(os.getpid()):
        with suppress(OSError):  # it has just ended
            status = Path(f"/proc/{process}/status").read_text()
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            own += int(fields.get("RssAnon", "0 kB").split()[0]) * 1024
            resident += int(fields.get("VmRSS", "0 kB").split()[0]) * 1024
    return own, resident


def _family(process: int) -> list[int]:
    found = [process]
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                found += _family(int(child))
    return found
