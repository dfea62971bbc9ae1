"""A finished run, opened again: its configuration, data and model, to evaluate any weights.

run = FinishedRun(Path("outputs/runs/NAME"))
evaluator = run.job.evaluator(["test"])
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from polyak.config.build import Job, build
from polyak.config.parse import parse
from polyak.config.schema import Config
from polyak.errors import PolyakError
from polyak.records.summary import OF_RECORDING, Summary
from polyak.store import paths


class FinishedRun:
    """The directory of a run that has a summary.json. Raises PolyakError where it has none, a
    folder in it is a link, or it is of a recording."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.summary = Summary.read(directory)
        if self.summary.dataset.origin == OF_RECORDING:
            raise PolyakError(
                f"{directory}: is a run of a recording, whose model and images are its owner's; "
                "allowed: `python -m polyak windows RECORDING --evaluate FILE.py:FUNCTION`"
            )
        paths.check_run(directory)
        self.config: Config = parse(_without_start(self.summary.config), caller=Path.cwd())

    @property
    def title(self) -> str:
        """For figures: data and seed."""
        data = self.job.data
        return f"{data.title}\n{len(data.train):,} training images, seed {self.config.seed}"

    @cached_property
    def job(self) -> Job:
        """Its data and model, with as many threads as it had. Raises PolyakError where the images
        are not those that it was trained and evaluated on."""
        threads = self.summary.environment.get("threads")
        if not isinstance(threads, int):
            raise PolyakError(f"{self.directory}: summary.json: environment.threads is missing")
        job = build(self.config, in_sweep=True, threads=threads)
        if job.trajectory.ingredients["training_split"] != self.summary.training_split:
            raise PolyakError(f"{self.directory}: the training images have changed since it ran")
        for name, key in job.keys.items():
            if key != self.summary.evaluation_keys.get(name):
                raise PolyakError(
                    f"{self.directory}: the {name} images, or the code that evaluates them, have "
                    "changed since it ran"
                )
        return job


def _without_start(config: Mapping[str, Any]) -> dict[str, Any]:
    """The weights that it started from may be gone: it has its own."""
    training = config.get("training")
    if not isinstance(training, Mapping):
        return dict(config)
    return {**config, "training": {**training, "init": None}}
