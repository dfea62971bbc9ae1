"""Records what Hugging Face's Trainer trains.

    Trainer(..., callbacks=[RecordEpochs("outputs/recorded/my_run", settings={"seed": 0})]).train()

The Trainer evaluates an epoch before or after it calls it ended, by `eval_strategy`; an epoch is
recorded as soon as it ends, and gets its metrics when they come.
"""

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from polyak.adapters.metrics import by_split
from polyak.study.recorder import Recorder

log = logging.getLogger(__name__)

STATE = "polyak.RecordEpochs"
"""The key in a checkpoint's trainer_state.json: where it stands in the recording."""

SPEEDS = ("runtime", "samples_per_second", "steps_per_second", "_time")
"""Ends of names that the Trainer adds to an evaluation's metrics."""


class RecordEpochs(TrainerCallback):
    """Every epoch's weights and metrics, in `directory`: `options` are those of `polyak.Recorder`,
    of which `settings` must be there. Evaluations within epochs are left out."""

    def __init__(self, directory: str | os.PathLike[str], **options: Any) -> None:
        self.directory, self._options = Path(directory), options
        self.recorder: Recorder | None = None
        self._lr: float | None = None
        self._ended, self._said = -1, (-1, dict[str, float]())

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The weights are those of the checkpoint that the training is resumed from, if any."""
        self.on_train_end()
        loader, optimizer = given["train_dataloader"], given["optimizer"]
        # Accelerate's has an `eval`, as schedule-free ones do that deploy other weights.
        found: dict[str, Any] = {"optimizer": getattr(optimizer, "optimizer", optimizer)}
        if hasattr(loader, "__len__"):
            found["steps_per_epoch"] = math.ceil(len(loader) / args.gradient_accumulation_steps)
        options = {**found, **self._options}
        options["restart"] = options.get("restart", False) and not state.global_step
        place: dict[str, Any] = state.stateful_callbacks.get(STATE, {})
        self.recorder = Recorder(
            self.directory, given["model"], within=place.get("began"), **options
        )
        first = int(state.epoch or 0) - self.recorder.epochs
        self._first = place.get("first", first) if self.recorder.epochs else first
        self._keep(state)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self._lr = float(given["optimizer"].param_groups[0]["lr"])  # before the schedule moves it
        if self.recorder:
            self.recorder.step()

    def on_epoch_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        if not self.recorder:
            return
        if state.epoch is None or not float(state.epoch).is_integer():
            log.warning("epoch %s ended early, and is not recorded", state.epoch)
            return
        step, metrics = self._said
        self.recorder.epoch(by_split(metrics) if step == state.global_step else None, lr=self._lr)
        self._ended = state.global_step
        self._keep(state)

    def on_evaluate(
        self, args: Any, state: TrainerState, control: Any, metrics: Mapping[str, float], **_: Any
    ) -> None:
        kept = {name: one for name, one in metrics.items() if not name.endswith(SPEEDS)}
        if self.recorder and self._ended == state.global_step:
            self.recorder.add_metrics(by_split(kept))
        before = self._said[1] if self._said[0] == state.global_step else {}
        self._said = (state.global_step, {**before, **kept})

    def on_train_end(self, *_: Any, **__: Any) -> None:
        if self.recorder:
            self.recorder.close()
            self.recorder = None

    def _keep(self, state: TrainerState) -> None:
        """In every checkpoint that is saved within the epoch that begins."""
        assert self.recorder
        state.stateful_callbacks[STATE] = {"began": self.recorder.began, "first": self._first}
