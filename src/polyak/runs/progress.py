"""What a person sees while a model trains: a bar with the time left on a terminal, else lines."""

import logging
import math
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from polyak.config.schema import Config
from polyak.data.dataset import Dataset
from polyak.store.trajectory import EpochRecord, Trajectory

log = logging.getLogger(__name__)


class Progress:
    """Call `step` after every training step and `epoch` after every epoch."""

    def __init__(
        self, config: Config, data: Dataset, trajectory: Trajectory, device: torch.device
    ) -> None:
        self._epochs = config.training.epochs
        self._steps = math.ceil(len(data.train) / config.training.batch_size)
        sizes = ", ".join(
            [f"{len(data.train):,} training"]
            + [f"{len(split):,} {name}" for name, split in data.evaluated.items()]
        )
        self._header = (
            f"{data.title}: {sizes} images; {self._epochs} epochs of {self._steps} steps on "
            f"{device.type}, {torch.get_num_threads()} threads; trajectory {trajectory.fingerprint}"
        )

    def __enter__(self) -> Self:
        log.info("%s", self._header)
        self._stack = ExitStack()
        self._stack.enter_context(logging_redirect_tqdm())  # log lines go above the bar
        self._bar = self._stack.enter_context(
            tqdm(
                total=self._epochs * self._steps,
                unit="step",
                disable=not sys.stderr.isatty(),
                leave=False,
                dynamic_ncols=True,
            )
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def step(self) -> None:
        """One step of training is done."""
        self._bar.update()

    def epoch(self, record: EpochRecord) -> None:
        """Log the epoch's numbers, or once that there are epochs in the store."""
        if record.stored:
            if record.training.epoch == 0:
                log.info("epochs that are in the store are not trained again")
            self._bar.update(self._steps)
            return
        scores = "".join(
            f"  {split} {100 * score.accuracy:.2f} % (loss {score.loss:.3f})"
            for split, score in record.scores.items()
        )
        log.info(
            "epoch %*d of 0..%d  lr %.4g  train %.2f %% (loss %.3f)%s  %.1f s",
            len(str(self._epochs - 1)),
            record.training.epoch,
            self._epochs - 1,
            record.training.lr,
            100 * record.training.accuracy,
            record.training.loss,
            scores,
            record.training.seconds,
        )
