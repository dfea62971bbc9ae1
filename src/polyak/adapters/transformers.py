"""Records what Hugging Face's Trainer trains.

    Trainer(..., callbacks=[RecordEpochs("outputs/recorded/my_run", settings={"seed": 0})]).train()

The Trainer evaluates an epoch before or after it calls it ended, by `eval_strategy`; an epoch is
recorded as soon as it ends, and gets its metrics when they come.
"""

import math
import os
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from polyak.adapters.metrics import by_split
from polyak.adapters.recording import Recording

STATE = "polyak.RecordEpochs"
"""The key in a checkpoint's trainer_state.json: where it stands in the recording."""

SPEEDS = ("runtime", "samples_per_second", "steps_per_second", "_time")
"""Ends of names that the Trainer adds to an evaluation's metrics."""


class RecordEpochs(TrainerCallback):
    """Every epoch's weights and metrics, in `directory`: `options` are those of `polyak.Recorder`,
    of which `settings` must be there. Evaluations within epochs are left out."""

    def __init__(self, directory: str | os.PathLike[str], **options: Any) -> None:
        self._recording = Recording(directory, options)
        self._ended, self._said = -1, (-1, dict[str, float]())

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The weights are those of the checkpoint that the training is resumed from, if any."""
        self._recording.close()
        loader, optimizer = given["train_dataloader"], given["optimizer"]
        batches = len(loader) if hasattr(loader, "__len__") else math.inf
        self._recording.begin(
            given["model"],
            epoch=int(state.epoch or 0),
            # Accelerate's has an `eval`, as schedule-free ones do that deploy other weights.
            optimizer=getattr(optimizer, "optimizer", optimizer),
            steps=batches / args.gradient_accumulation_steps,
            resumed=bool(state.global_step),
            place=state.stateful_callbacks.get(STATE),
            sharded_by=(args.fsdp and "fsdp") or (args.deepspeed and "deepspeed"),
        )
        state.stateful_callbacks[STATE] = self._recording.place

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self._recording.lr = float(given["optimizer"].param_groups[0]["lr"])
        self._recording.step()

    def on_epoch_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """The place is in every checkpoint that is saved within the epoch that begins."""
        done = float(state.epoch or 0)
        metrics = by_split(self._said[1]) if self._said[0] == state.global_step else {}
        if self._recording.ended(math.ceil(done) - 1, metrics, whole=done.is_integer()):
            self._ended = state.global_step
        state.stateful_callbacks[STATE] = self._recording.place

    def on_evaluate(
        self, args: Any, state: TrainerState, control: Any, metrics: Mapping[str, float], **_: Any
    ) -> None:
        kept = {name: one for name, one in metrics.items() if not name.endswith(SPEEDS)}
        if self._recording.recorder and self._ended == state.global_step:
            self._recording.recorder.add_metrics(by_split(kept))
        before = self._said[1] if self._said[0] == state.global_step else {}
        self._said = (state.global_step, {**before, **kept})

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._recording.close()
        self._recording.recorder = None
