"""A finished run, opened again: its configuration, data and model, to evaluate any weights.

run = FinishedRun(Path("outputs/runs/NAME"))
evaluator = run.evaluator(run.evaluated(["test"]))
"""

from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path

from polyak.config import build
from polyak.config import schema as configuration
from polyak.config.evaluator import evaluator
from polyak.config.schema import Config
from polyak.data.dataset import Dataset, Split
from polyak.errors import PolyakError
from polyak.evaluation.logits import Evaluator, evaluation_key
from polyak.runs.summary import Summary


class FinishedRun:
    """The directory of a run that has a summary.json. Raises PolyakError where it has none."""

    def __init__(self, directory: Path) -> None:
        self.summary = Summary.read(directory)
        self.config: Config = configuration.parse(self.summary.config, caller=Path.cwd())

    @cached_property
    def data(self) -> Dataset:
        """The images. Raises PolyakError where they are not those it was evaluated on."""
        data = build.dataset(self.config, sweep=True)
        for name, split in data.evaluated.items():
            key = evaluation_key(split, self.config.training.precision)
            if key != self.summary.evaluation_keys.get(name):
                raise PolyakError(
                    f"{self.summary.directory}: the {name} images have changed since it ran"
                )
        return data

    def evaluated(self, names: Collection[str] | None = None) -> dict[str, Split]:
        """The splits of those names; by default all that its checkpoints were evaluated on.

        Raises PolyakError for a split that it doesn't have.
        """
        there = self.data.evaluated
        for name in names or ():
            if name not in there:
                raise PolyakError(
                    f"{self.summary.directory}: has no {name} split; allowed: {', '.join(there)}"
                )
        return {name: split for name, split in there.items() if not names or name in names}

    def evaluator(self, splits: Mapping[str, Split]) -> Evaluator:
        """Its model on `splits` of its images, with as many threads as it had, for any weights."""
        return evaluator(self.config, self.data, splits, threads=self.summary.threads)
