"""Records a training loop of your own: its weights after every epoch, as train.py keeps them.

    recorder = polyak.Recorder("outputs/recorded/my_run", model, settings={"lr": 0.1, "seed": 0})
    for epoch in range(recorder.epochs, 20):
        for images, labels in loader:
            ...
            optimizer.step()
            recorder.step()     # only where step means are wanted
        recorder.epoch(metrics={"validation": {"accuracy": 0.81, "loss": 0.6}})

It reads the model and changes nothing: neither weights nor optimizer nor any random state. What it
leaves is a trajectory (docs/files.md), which `polyak.open` averages.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn
from torch.optim import Optimizer

from polyak.errors import CheckpointError, ConfigError, StoreError
from polyak.recorder import ranks, told
from polyak.recorder.directory import Directory, ingredients
from polyak.recorder.gathered import save, write
from polyak.recorder.live import Spread, entries_of, live_of
from polyak.recorder.wrapped import unwrapped
from polyak.store import environment, paths
from polyak.store.recorder import Recorder as Records
from polyak.weights import checkpoint


class Recorder:
    """One training's recording in `directory`, which is new, empty, or one that a recorder made for
    the same `settings` and model.

    `model` may be compiled, or wrapped for several devices. `settings` (JSON values) say how it is
    trained, its `seed` and `lr` among them: the analysis compares trainings by them. With
    `optimizer`, a schedule-free one's checkpoints are the weights that it deploys. After `every` so
    many steps of the optimizer (an int), or such a fraction of an epoch of `steps_per_epoch`, a
    further checkpoint is kept, and with `means` the mean of the weights after each step between
    two of these.

    A directory that has epochs is continued: load what your training goes on from before you make
    the recorder, which finds the epoch by the weights, and drops later ones. Where these are the
    weights that the training began with, `restart` drops all epochs. To go on in the midst of an
    epoch, give as `within` what `began` was there.

    In a distributed training every rank makes one and calls it alike; rank 0 writes. Weights that
    are spread over ranks (FSDP2, tensor parallelism) it gathers, one full tensor at a time.

    Raises ConfigError for settings or options that can't be; StoreError for a directory that isn't
    a recorder's to use, where another one is at work in it, of other settings or another model, or
    without the weights that the model has; and on the other ranks where rank 0 raises any.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        model: nn.Module,
        *,
        settings: Mapping[str, Any],
        optimizer: Optimizer | None = None,
        every: int | float | None = None,
        means: bool = False,
        steps_per_epoch: int | None = None,
        restart: bool = False,
        within: str | None = None,
    ) -> None:
        self._model, self._optimizer = unwrapped(model), optimizer
        self._live = live_of(self._model, optimizer)
        self._settings = told.settings(settings)
        recording = told.recording(every, means, steps_per_epoch)
        self._recording, self._steps = recording, steps_per_epoch if recording.there else None
        self._path = Path(directory).absolute()
        self._epoch = ExitStack()
        self._held: Directory | None = None  # of other ranks than the first
        self._records: Records | None = None  # of other ranks than the first, too
        self._epochs = self._live.together(lambda weights: self._open(weights, restart, within))
        self._others_begin(self._epochs)

    def _open(self, weights: Mapping[str, Tensor], restart: bool, within: str | None) -> int:
        recording, entries = self._recording, entries_of(weights)
        self._layout = entries
        self._held = Directory(self._path, ingredients(self._settings, self._model, entries))
        try:
            now = checkpoint.digest(weights)
            self._held.begin(now, restart=restart, within=within, whole=recording.there)
            self._records = Records(self._held.manifest, recording, self._steps or 1, write)
            self._records.index.drop_unlisted()
            dtypes = sorted({str(one.dtype).removeprefix("torch.") for one in entries.values()})
            device = next(iter(self._model.state_dict().values())).device
            self._environment = environment.describe(device, ", ".join(dtypes))
            self._begin(self._held.manifest.trained)
        except BaseException:
            self._held.release()
            raise
        return self._held.manifest.trained

    @property
    def directory(self) -> Path:
        """Where it records."""
        return self._path

    @property
    def epochs(self) -> int:
        """How many epochs are recorded: the number of the next one."""
        return self._epochs

    @property
    def began(self) -> str | None:
        """SHA-256 of the weights that the epoch under way began with, for `within`; None on other
        ranks than the first."""
        return self._held.began if self._held else None

    @property
    def last(self) -> Path | None:
        """The checkpoint of the last epoch, a safetensors file; None before the first."""
        return paths.checkpoint(self.directory, self.epochs - 1) if self.epochs else None

    def step(self) -> None:
        """To be called after each step of the optimizer, where more than epochs is recorded, and
        harmless elsewhere. Raises what writing raised, and ConfigError for more steps than an epoch
        has."""
        if self._steps is None or not self._live.follows:
            return
        self._done += 1
        if self._done > self._steps:
            raise ConfigError(
                f"steps_per_epoch = {self._steps}: this is step {self._done} of epoch "
                f"{self.epochs}; allowed: so many steps of the optimizer between calls of `epoch`"
            )
        self._record()

    def epoch(
        self, metrics: Mapping[str, told.Scores] | None = None, *, lr: float | None = None
    ) -> None:
        """To be called at an epoch's end: writes the model's weights, and what is said of them.

        `metrics` are by split (train, validation, test) and name; one that isn't finite is noted as
        unknown. `lr` is the epoch's learning rate; else it is the optimizer's, or the settings'.

        Raises ConfigError for metrics of other kinds, or fewer steps than an epoch has;
        CheckpointError for a model with other tensors than in the beginning; OSError where the disk
        is full. Then the epoch is not recorded, and can be once more; where what was recorded
        within it could not be written, after its steps.
        """
        if isinstance(self._live, Spread):
            self._end_steps()  # every rank knows what of them went wrong
        self._epochs = self._live.together(lambda weights: self._end(weights, metrics or {}, lr))
        self._others_begin(self._epochs)

    def add_metrics(self, metrics: Mapping[str, told.Scores]) -> None:
        """More of the last epoch, which was evaluated after it was recorded: as of `epoch`, to what
        is said of it already.

        Raises ConfigError for metrics of other kinds, or before the first epoch.
        """
        found = told.metrics(metrics)
        if not self._epochs:
            raise ConfigError(f"{self._path}: has no epoch that metrics could be of")
        if self._held:
            self._check_held()
            self._held.manifest.add_metrics(found)
            self._held.manifest.append()

    def _end(
        self, weights: Mapping[str, Tensor], metrics: Mapping[str, told.Scores], lr: float | None
    ) -> int:
        assert self._held
        assert self._records
        epoch, scores = self.epochs, told.metrics(metrics)
        self._check_held()
        layout = {*entries_of(weights).items()} ^ {*self._layout.items()}
        if differing := sorted({name for name, _ in layout}):
            raise CheckpointError(
                f"the model's tensors are not those that it began with: {', '.join(differing[:3])}"
            )
        self._end_steps()
        path = paths.checkpoint(self.directory, epoch)
        digest = save(path, weights, {"epoch": epoch})
        of_epoch = {
            **{
                "epoch": epoch,
                "lr": told.lr(lr, self._optimizer, self._settings),
                "loss": None,
                "accuracy": None,
            },
            **{"seconds": time.perf_counter() - self._began, "metrics": scores},
        }
        with self._held.manifest.at_once():
            self._held.manifest.add(of_epoch, digest, path, self._environment)
            self._records.commit(epoch, digest)
            self._held.manifest.append()
        self._begin(epoch + 1)
        return epoch + 1

    def _end_steps(self) -> None:
        """All that was recorded of them is on disk."""
        if self._steps not in (None, self._done):
            raise ConfigError(
                f"steps_per_epoch = {self._steps}: epoch {self.epochs} had {self._done} steps; "
                "allowed: a call of `step` after each step of the optimizer"
            )
        try:
            self._epoch.close()
        except BaseException:
            self._begin(self.epochs)  # else it would count without them
            raise

    def close(self) -> None:
        """Let go of the directory. What is there of an epoch that has not ended is dropped."""
        self._epoch.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        if self._held:
            self._held.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, epoch: int) -> None:
        """Follow the steps of an epoch."""
        self._done, self._began = 0, time.perf_counter()
        following = self._live.following(self._records, self._recording, self._steps or 1, epoch)
        self._record: Callable[[], None] = self._epoch.enter_context(following)

    def _check_held(self) -> None:
        if self._held and not self._held.held:
            raise StoreError(f"{self._path}: this recorder is closed; allowed: to make another")

    def _others_begin(self, epoch: int) -> None:
        if self._live.follows and not ranks.first():
            self._begin(epoch)
