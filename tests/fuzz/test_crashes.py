"""Files that could end the interpreter itself: each command in a process of its own."""

import os
import runpy
import sys
from pathlib import Path

import pytest

from tests.fuzz.mutations import Text, Whole
from tests.fuzz.specimens import Specimen
from tests.fuzz.test_analysis import FAILED, FINISHED
from tests.small import ROOT

DEEP = 100_000
"""Nested so deeply, a parser in C overflows its stack; 200 kB of a file."""
LISTS, MAPPINGS = "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP
COMMANDS = {
    "analysis": ("-m", "analysis", "table", "{sweep}"),
    "windows": ("-m", "polyak", "windows", "{run}"),
    "store": ("-m", "polyak", "store", "list", "--store", "{store}"),
    "again": (str(ROOT / "src" / "train.py"), "--again", "{run}", "--cfg", "job"),
}
FILES = {
    "analysis": [
        *(f"sweep {FINISHED}/{name}" for name in ("summary.json", "claim.json")),
        *(f"sweep {FAILED}/{name}" for name in ("failure.json", ".hydra/config.yaml")),
        "sweep multirun.yaml",
    ],
    "windows": ["run summary.json"],
    "store": ["store store.json"],
    "again": ["run summary.json"],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_deep_file_ends_no_interpreter(command, specimen, processes, tmp_path):
    """A process gives the command for one file after the other."""
    log = tmp_path / "log"
    process = processes.forked(give, command, specimen, log)
    process.join(120)
    printed = log.read_text()
    assert process.exitcode == 0, printed[-2000:]  # negative: a signal
    assert printed.count("exit code") == 2 * len(FILES[command])
    assert "Traceback" not in printed


def give(command: str, specimen: Specimen, log: Path) -> None:
    made = {kind: str(getattr(specimen, kind)) for kind in ("run", "sweep", "store")}
    first, *given = [part.format(**made) for part in COMMANDS[command]]
    with log.open("w", buffering=1) as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    for place in FILES[command]:
        kind, _, name = place.partition(" ")
        for what, content in (("lists", LISTS), ("mappings", MAPPINGS)):
            print(place, what, flush=True)
            code: object = None
            with specimen.broken(getattr(specimen, kind) / name, Whole(Text(content))):
                try:
                    if first == "-m":
                        sys.argv = given
                        runpy.run_module(given[0], run_name="__main__", alter_sys=True)
                    else:
                        sys.argv = [first, *given]
                        runpy.run_path(first, run_name="__main__")
                except SystemExit as stop:
                    code = stop.code
            print("exit code", code, flush=True)
            assert isinstance(code, str) or code in (0, 1)  # of a message, Python makes 1
