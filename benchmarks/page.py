"""docs/performance.md: what was measured, by machine, and the page that is made of it.

results = Results.of([Section("Training", ["training", "seconds"], [["ours", "53.5"]], note="")])
results.save(folder)          # docs/performance/<machine>.json
page(folder)                  # the page's text, all machines' tables one after the other
"""

import json
import platform
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Self

import torch

from benchmarks.table import Section
from polyak import files
from polyak.store import environment

EARLIER = "Measured earlier:"


@dataclass(frozen=True)
class Results:
    """All sections that were measured on one machine."""

    machine: str
    software: str
    measured: str
    sections: list[Section] = field(default_factory=list)

    @classmethod
    def of(cls, sections: Sequence[Section]) -> Self:
        """Measured here, now."""
        device = torch.device("cpu")
        described = environment.describe(device, "fp32")
        bf16 = "with" if environment.fast_bf16(device) else "without"
        return cls(
            f"{processor()}, {torch.get_num_threads()} threads, {bf16} bfloat16, "
            f"{platform.system()} {platform.machine()}",
            f"Python {platform.python_version()}, torch {torch.__version__}, "
            f"code {str(described['commit'])[:12]}",
            f"{date.today()}",
            list(sections),
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those of a file that `save` wrote."""
        values = json.loads(path.read_text())
        return cls(**values | {"sections": [Section(**one) for one in values["sections"]]})

    def save(self, folder: Path) -> Path:
        """Into the machine's file; sections that it has and that were not measured now stay, with a
        note of when they were."""
        path = folder / (re.sub("[^a-z0-9]+", "-", self.machine.lower()).strip("-") + ".json")
        folder.mkdir(exist_ok=True)
        measured = {one.title: one for one in self.sections}
        before = {one.title: one for one in Results.read(path)._dated()} if path.exists() else {}
        values = asdict(self) | {"sections": [asdict(one) for one in (before | measured).values()]}
        files.write_json(path, values)
        return path

    def _dated(self) -> Iterator[Section]:
        for one in self.sections:
            when = "" if EARLIER in one.note else f" {EARLIER} {self.measured}, {self.software}."
            yield replace(one, note=one.note + when)


def page(folder: Path) -> str:
    """A heading for each title, below it each machine's table."""
    read = [Results.read(path) for path in sorted(folder.glob("*.json"))]
    machines = dict(zip(string.ascii_uppercase, read, strict=False))
    parts = [
        "# Speed\n\nWritten by `make bench`; don't edit. Medians (smallest to largest) of cases "
        "that take turns; ratios are within a turn.\n\nMachines:\n"
        + "".join(
            f"\n- **{letter}**: {one.machine}; {one.software}; {one.measured}."
            for letter, one in machines.items()
        )
    ]
    tables: dict[str, list[str]] = {}
    for letter, machine in machines.items():
        for one in machine.sections:
            tables.setdefault(f"## {one.title}", []).append(f"**{letter}.** {one.text}")
    for title, each in tables.items():
        parts += [title, *each]
    return "\n\n".join(parts) + "\n"


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    except OSError:
        names = set()
    return ", ".join(sorted(names)) or platform.processor() or platform.machine()
