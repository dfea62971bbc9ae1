"""A finished run of two epochs, by its files, and a tool that writes down what it is told."""

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from polyak.records.metrics import COLUMNS
from tests.runs.records import SUMMARY, write_claim

ROWS = [
    {"epoch": 0, "lr": 0.1, "train_loss": 2.0, "test_accuracy": 0.5, "test_f1": 0.4},
    {"epoch": 1, "lr": 0.1, "train_loss": 1.0, "test_accuracy": 0.75, "average_test_accuracy": 0.8},
]


def write(run: Path, **changed: object) -> Path:
    """`changed` are keys of summary.json."""
    summary = copy.deepcopy(SUMMARY)
    summary["config"]["optimizer"] = {"lr": 0.1, "betas": [0.9, 0.99], "name": None}
    summary["results"] = {"average": {"test": {"accuracy": 0.8}}, "ensemble": None}
    summary["gains"] = {"over_last": {"test": 0.05}}
    (run / "figures").mkdir(parents=True)
    (run / "summary.json").write_text(json.dumps(summary | changed))
    write_claim(run)
    columns = [*COLUMNS, "test_f1"]
    lines = [",".join(str(row.get(name, "")) for name in columns) for row in ROWS]
    (run / "metrics.csv").write_text("\n".join([",".join(columns), *lines, ""]))
    Image.new("RGB", (3, 2)).save(run / "figures" / "accuracy.png")
    return run


@dataclass
class Told:
    """A backend that is its own sink. `failing`: the call that raises."""

    failing: str = ""
    name: str = "told"
    calls: list = field(default_factory=list)

    def check(self) -> None:
        pass

    def open(self, origin):
        self._note("open", origin)
        return self

    def log(self, point):
        self._note("log", point)

    def finish(self, outcome):
        self._note("finish", outcome)

    def close(self, complete):
        self._note("close", complete)

    def _note(self, call, given):
        if call == self.failing:
            raise RuntimeError("no network\nat all")
        self.calls.append((call, given))

    def all(self, call):
        return [given for name, given in self.calls if name == call]
