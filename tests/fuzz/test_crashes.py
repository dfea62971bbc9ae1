"""Files that could end the interpreter itself: each command in a process of its own."""

import os
import subprocess
import sys

import pytest

from tests.fuzz.mutations import Text, Whole
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
@pytest.mark.parametrize("content", [LISTS, MAPPINGS], ids=["lists", "mappings"])
@pytest.mark.parametrize(
    ("command", "place"), [(command, place) for command in FILES for place in FILES[command]]
)
def test_a_deep_file_ends_no_interpreter(command, place, content, specimen):
    kind, _, name = place.partition(" ")
    made = {kind: str(getattr(specimen, kind)) for kind in ("run", "sweep", "store")}
    given = [part.format(**made) for part in COMMANDS[command]]
    with specimen.broken(getattr(specimen, kind) / name, Whole(Text(content))):
        done = subprocess.run(
            [sys.executable, *given],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        )
    assert done.returncode in (0, 1), done.stderr[-2000:]  # negative: a signal
    assert "Traceback" not in done.stderr
