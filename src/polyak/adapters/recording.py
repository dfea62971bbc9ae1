"""What the callbacks share: a Recorder that begins with a library's training, and where it stands.

recording = Recording("outputs/recorded/my_run", {"settings": {"seed": 0}})
recording.begin(model, epoch=0, optimizer=optimizer, steps=572)
recording.place     # to be kept in a checkpoint of the library's, and given to `begin`
"""

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from polyak.errors import ConfigError
from polyak.recorder import told
from polyak.recorder.recorder import Recorder

log = logging.getLogger(__name__)


class Recording:
    """Of one training into `directory`; `options` are those of `polyak.Recorder`."""

    def __init__(self, directory: str | os.PathLike[str], options: Mapping[str, Any]) -> None:
        self.directory, self._options = Path(directory), options
        self.recorder: Recorder | None = None
        self.first = 0
        """The library's number of the recording's epoch 0."""

        self.lr: float | None = None
        """Of the latest step, before the schedule moved it."""

    def begin(
        self,
        model: nn.Module,
        *,
        epoch: int,
        optimizer: Any,
        steps: float = math.inf,
        resumed: bool = False,
        place: Mapping[str, Any] | None = None,
        sharded_by: object = None,
    ) -> None:
        """Before the library's `epoch`, of so many `steps` of the optimizer, of which the last one
        may have fewer batches. `place` is that of the checkpoint that the training is `resumed`
        from. Raises ConfigError where the library has spread the weights over ranks."""
        if sharded_by:
            raise ConfigError(
                f"{sharded_by}: spreads the weights over ranks; allowed: one that does not, or "
                "polyak.Recorder in a loop of your own (docs/own-training.md)"
            )
        found: dict[str, Any] = {"optimizer": optimizer}
        if math.isfinite(steps):
            found["steps_per_epoch"] = math.ceil(steps)
        options, place = {**found, **self._options}, place or {}
        options["restart"] = options.get("restart", False) and not resumed
        self.recorder = Recorder(self.directory, model, within=place.get("began"), **options)
        first = epoch - self.recorder.epochs
        self.first = place.get("first", first) if self.recorder.epochs else first

    @property
    def place(self) -> dict[str, Any]:
        """Where the training stands; nothing before it begins."""
        return {"began": self.recorder.began, "first": self.first} if self.recorder else {}

    def step(self) -> None:
        """The optimizer has made one."""
        if self.recorder:
            self.recorder.step()

    def ended(self, epoch: int, metrics: Mapping[str, told.Scores], *, whole: bool) -> bool:
        """The library's `epoch` has: as a `whole`, or before its last batch. A library may end one
        once more, which was resumed from a checkpoint of its end. Whether it is recorded now."""
        if not self.recorder or epoch - self.first < self.recorder.epochs:
            return False
        if whole:
            self.recorder.epoch(metrics, lr=self.lr)
        else:
            log.warning("epoch %d ended early, and is not recorded", epoch)
        return whole

    def close(self) -> None:
        """Let go of the directory."""
        if self.recorder:
            self.recorder.close()
