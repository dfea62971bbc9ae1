"""What is done with the average of what Lightning trained, when `fit` ends.

RecordEpochs("outputs/recorded/my_run", settings={}, average=AtEnd(10, save="average.ckpt"))
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from polyak.recorder.averaged import averaged, check_batches
from polyak.recorder.recorder import Recorder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AtEnd:
    """The mean of the epochs from `start` on is evaluated by `Trainer.validate`, whose metrics are
    then the trainer's, and written to `save`, a checkpoint of Lightning's. `refresh` computes its
    batch-norm statistics, on the first tensor of each training batch (on rank 0's). The module
    keeps the weights that it was trained to."""

    start: int
    validate: bool = False
    save: str | os.PathLike[str] | None = None
    refresh: bool = False

    def check(self, module: nn.Module) -> None:
        """Raise ConfigError for a module that needs `refresh`: before it is trained."""
        check_batches(module, self.refresh)

    def of(self, trainer: Any, module: Any, recorder: Recorder) -> list[Mapping[str, float]]:
        """Do it, and give the metrics; where there are no such epochs, say so."""
        if self.start >= recorder.epochs:
            log.warning("epochs from %d on: there are %d", self.start, recorder.epochs)
            return []
        module.to(trainer.strategy.root_device)  # fit has put it back on the CPU
        batches = (_first(batch, module) for batch in trainer.train_dataloader)
        given = batches if self.refresh else None
        with averaged(module, recorder.directory, self.start, batches=given):
            if self.save is not None:
                trainer.save_checkpoint(self.save, weights_only=True)
            return _validated(trainer, module) if self.validate else []


def _first(batch: Any, module: Any) -> Tensor:
    first: Tensor = batch[0] if isinstance(batch, list | tuple) else batch
    return first.to(module.device)


def _validated(trainer: Any, module: Any) -> list[Mapping[str, float]]:
    fitting, data = trainer.state.fn, trainer.datamodule
    loaders = None if data else trainer.val_dataloaders
    try:
        return list(trainer.validate(module, loaders, verbose=False, datamodule=data))
    finally:
        trainer.state.fn = fitting  # what is left of fit goes on
