"""Records what Lightning trains, and averages it at the end.

    recording = RecordEpochs("outputs/recorded/my_run", settings={"lr": 0.1, "seed": 0})
    Trainer(callbacks=[recording]).fit(module, loader)

For `lightning`, and for `pytorch_lightning` where that is what was imported before.
"""

import logging
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyak.adapters.at_end import AtEnd
from polyak.adapters.metrics import by_split
from polyak.study.recorder import Recorder

if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning import Callback, LightningModule, Trainer
else:
    from lightning.pytorch import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)


class RecordEpochs(Callback):
    """Every epoch's weights and metrics (`by_split`), in `directory`: `options` are those of
    `polyak.Recorder`, of which `settings` must be there. `average`: what to do at the end of `fit`;
    `average_metrics` are then what `Trainer.validate` gave."""

    def __init__(
        self, directory: str | os.PathLike[str], *, average: AtEnd | None = None, **options: Any
    ) -> None:
        self.directory, self._average, self._options = Path(directory), average, options
        self.recorder: Recorder | None = None
        self.average_metrics: list[Mapping[str, float]] = []
        self._place: dict[str, Any] = {}
        self._lr: float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._average:
            self._average.check(pl_module)
        steps, optimizers = trainer.num_training_batches, trainer.optimizers
        if not math.isinf(steps):
            steps = math.ceil(steps / trainer.accumulate_grad_batches)
        found = {"optimizer": optimizers[0] if len(optimizers) == 1 else None}
        options = {"steps_per_epoch": steps, **found, **self._options}
        options["restart"] = options.get("restart", False) and not trainer.ckpt_path
        within = self._place.get("began")
        self.recorder = Recorder(self.directory, pl_module, within=within, **options)
        # Lightning's number of the recording's epoch 0. An epoch whose checkpoint was saved as its
        # validation ended is ended once more.
        first = trainer.current_epoch - self.recorder.epochs
        self._first = self._place.get("first", first) if self.recorder.epochs else first
        self._steps = trainer.global_step

    def on_before_optimizer_step(self, trainer: Trainer, _: Any, optimizer: Any) -> None:
        if optimizer is trainer.optimizers[0]:  # before the schedule moves it
            self._lr = float(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if self.recorder and trainer.global_step > self._steps:
            self._steps = trainer.global_step
            self.recorder.step()

    def on_train_epoch_end(self, trainer: Trainer, _: LightningModule) -> None:
        if not self.recorder or trainer.current_epoch - self._first < self.recorder.epochs:
            return
        if trainer.is_last_batch:
            self.recorder.epoch(by_split(trainer.callback_metrics), lr=self._lr)
        else:
            log.warning("epoch %d ended early, and is not recorded", trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"began": self.recorder.began, "first": self._first} if self.recorder else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._place = state_dict

    def on_train_end(self, *_: Any) -> None:
        if self.recorder:
            self.recorder.close()

    on_exception = on_train_end

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._average and self.recorder:
            self.average_metrics = self._average.of(trainer, pl_module, self.recorder)
