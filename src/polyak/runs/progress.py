"""What a person sees while a model trains: a bar with the time left on a terminal, else lines.

with progress(trajectory, epochs=20, device=device) as bar:
    bar.step()
    bar.epoch(record)
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from polyak.store.record import EpochRecord
from polyak.store.trajectory import Trajectory

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """Call `step` after every training step and `epoch` after every epoch."""

    epochs: int
    steps: int
    bar: Any
    stored: int = 0

    def step(self) -> None:
        """One step of training is done."""
        self.bar.update()

    def epoch(self, record: EpochRecord) -> None:
        """Log the epoch's numbers; of those in the store, how many there are."""
        if record.stored:
            self.stored += 1
            self.bar.update(self.steps)
            if self.stored == self.epochs:
                log.info("all %d epochs are from the store", self.stored)
            return
        if self.stored:
            log.info("epochs 0..%d are from the store", self.stored - 1)
            self.stored = 0
        scores = "".join(
            f"  {split} {100 * score.accuracy:.2f} % (loss {score.loss:.3f})"
            for split, score in record.scores.items()
        )
        log.info(
            "epoch %*d of 0..%d  lr %.4g  train %.2f %% (loss %.3f)%s  %.1f s",
            len(str(self.epochs - 1)),
            record.training.epoch,
            self.epochs - 1,
            record.training.lr,
            100 * record.training.accuracy,
            record.training.loss,
            scores,
            record.training.seconds,
        )


@contextmanager
def progress(trajectory: Trajectory, epochs: int, device: torch.device) -> Iterator[Progress]:
    """Log what is to be trained, and show a bar where there is a terminal."""
    data = trajectory.dataset
    steps = trajectory.recipe.steps(len(data.train))
    sizes = {"training": data.train, **data.evaluated}
    shown = ", ".join(f"{len(split):,} {name}" for name, split in sizes.items())
    threads = torch.get_num_threads()
    log.info(
        f"{data.title}: {shown} images; {epochs} epochs of {steps} steps on {device.type}, "
        f"{threads} thread{'s' * (threads > 1)}; trajectory {trajectory.fingerprint}"
    )
    with (
        logging_redirect_tqdm(),  # log lines go above the bar
        tqdm(
            total=epochs * steps,
            unit="step",
            disable=not sys.stderr.isatty(),
            leave=False,
            dynamic_ncols=True,
        ) as bar,
    ):
        yield Progress(epochs, steps, bar)
