"""Records what Lightning trains, and averages it at the end.

    recording = RecordEpochs("outputs/recorded/my_run", settings={"lr": 0.1, "seed": 0})
    Trainer(callbacks=[recording]).fit(module, loader)

For `lightning`, and for `pytorch_lightning` where that is what was imported before.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

from polyak.adapters.at_end import AtEnd
from polyak.adapters.metrics import by_split
from polyak.adapters.recording import Recording

if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning import Callback, LightningModule, Trainer
else:
    from lightning.pytorch import Callback, LightningModule, Trainer

SHARDED = ("FSDPStrategy", "ModelParallelStrategy", "DeepSpeedStrategy")
"""Strategies that spread the weights over ranks."""


class RecordEpochs(Callback):
    """Every epoch's weights and metrics (`by_split`), in `directory`: `options` are those of
    `polyak.Recorder`, of which `settings` must be there. `average`: what to do at the end of `fit`;
    `average_metrics` are then what `Trainer.validate` gave."""

    def __init__(
        self, directory: str | os.PathLike[str], *, average: AtEnd | None = None, **options: Any
    ) -> None:
        self._recording, self._average = Recording(directory, options), average
        self.average_metrics, self._place = list[Mapping[str, float]](), dict[str, Any]()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._average:
            self._average.check(pl_module)
        strategy, optimizers = type(trainer.strategy).__name__, trainer.optimizers
        self._recording.begin(
            pl_module,
            epoch=trainer.current_epoch,
            optimizer=optimizers[0] if len(optimizers) == 1 else None,
            steps=trainer.num_training_batches / trainer.accumulate_grad_batches,
            resumed=bool(trainer.ckpt_path),
            place=self._place,
            sharded_by=strategy if strategy in SHARDED else None,
        )
        self._steps = trainer.global_step

    def on_before_optimizer_step(self, trainer: Trainer, _: Any, optimizer: Any) -> None:
        if optimizer is trainer.optimizers[0]:
            self._recording.lr = float(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step > self._steps:
            self._steps = trainer.global_step
            self._recording.step()

    def on_train_epoch_end(self, trainer: Trainer, _: LightningModule) -> None:
        metrics = by_split(trainer.callback_metrics)
        self._recording.ended(trainer.current_epoch, metrics, whole=trainer.is_last_batch)

    def state_dict(self) -> dict[str, Any]:
        return self._recording.place

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._place = state_dict

    def on_train_end(self, *_: Any) -> None:
        self._recording.close()

    on_exception = on_train_end

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._average and self._recording.recorder:
            self.average_metrics = self._average.of(trainer, pl_module, self._recording.recorder)
