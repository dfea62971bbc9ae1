"""One pass through a trajectory under its lock: read, train, evaluate, repair.

work = Work(manifest, recipe, dataset, device, keys, on_step, writable=True)
work.repair(count=20)
record = work.epoch(0)
"""

import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import torch

from polyak.data.dataset import Dataset
from polyak.errors import DivergedError, StoreError
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import Scores
from polyak.models.initial import initial_model
from polyak.store import environment, linked, optimizer_state, paths, scoring, space
from polyak.store.manifest import Manifest
from polyak.store.record import EpochRecord
from polyak.store.recorder import Recorder
from polyak.store.recording import Recording
from polyak.training.epoch import train_epoch
from polyak.training.recipe import Recipe
from polyak.training.result import EpochResult
from polyak.training.trainer import Trainer
from polyak.weights import checkpoint

log = logging.getLogger(__name__)


class Work:
    """One pass through a trajectory, with a model that has one epoch's weights after the other."""

    def __init__(
        self,
        manifest: Manifest,
        recipe: Recipe,
        dataset: Dataset,
        device: torch.device,
        keys: Mapping[str, str],
        on_step: Callable[[], object],
        writable: bool,
        recording: Recording = Recording(),  # noqa: B008  frozen
    ) -> None:
        self.manifest, self.recipe, self.dataset = manifest, recipe, dataset
        self.device, self.keys, self.on_step, self.writable = device, keys, on_step, writable
        self.directory = manifest.directory
        self.recorder = Recorder(manifest, recording, recipe.steps(len(dataset.train)))
        self.trainer: Trainer | None = None
        self.next_epoch = -1  # the one that the trainer is ready for

    def epoch(self, epoch: int, *, last: bool = True) -> EpochRecord:
        """The record of an epoch, from the store or trained now; after the `last` one, training can
        be continued at once."""
        stored = epoch < self.manifest.trained
        if not stored:
            self._train_next(epoch, last=last)
        result = self.manifest.result(epoch)
        found = {split: self._scores(split, key, epoch) for split, key in self.keys.items()}
        for split, score in found.items():
            scoring.check_finite(split, score, result)
        return EpochRecord(result, found, stored)

    def repair(self, count: int) -> None:
        """Retrain what the first `count` epochs, or continuing after them, need and what is missing
        or corrupted on disk, or was not recorded: from the optimizer's state on where there is an
        earlier one, else from the beginning. Every epoch's weights must be those recorded."""
        manifest, corrupted = self.manifest, self.manifest.corrupted(count)
        trained = range(min(count, manifest.trained))
        unrecorded = [epoch for epoch in trained if self.recorder.lacking(epoch)]
        continues = 0 < manifest.trained < count and not manifest.diverged
        lacking, state = [*corrupted, *unrecorded], -1
        if lacking or continues:
            state = manifest.state
            lacking += range(state + 1, manifest.trained) if continues else ()
        self._check_space(count, len(corrupted))
        if not lacking:
            for epoch in trained if self.writable else ():
                self.recorder.prune(epoch)
            return
        first = state + 1 if state < min(lacking) else 0
        epochs = range(first, max(lacking) + 1)
        self._say_why(corrupted, unrecorded, epochs)
        if continues:
            ran_in = manifest.environment(manifest.trained - 1)
            environment.check_same(self.device, ran_in, str(self.directory))
        trainer = self._begin(first)
        for epoch in epochs:
            self._train(trainer, epoch)
            self._compare(trainer, epoch)
            self.recorder.commit(epoch, manifest.weights(epoch))
            if epoch in corrupted:
                path = paths.checkpoint(self.directory, epoch)
                checkpoint.save(path, trainer.model.state_dict(), {"epoch": epoch})
                linked.relink(manifest, path, epoch)
        if epochs[-1] == manifest.trained - 1:
            self._save_state(trainer, epochs[-1])
        manifest.write()
        manifest.drop_older_states()

    def _say_why(self, corrupted: list[int], unrecorded: list[int], epochs: range) -> None:
        """Log why these epochs are trained again. Raises StoreError for a read-only store."""
        name, again = self.directory.name, f"training epochs {epochs[0]} to {epochs[-1]} again"
        if corrupted or self.manifest.state_damaged:
            which = corrupted or [self.manifest.trained - 1]
            self._must_write(f"epochs {which} are missing or corrupted")
            log.warning(
                "trajectory %s: missing or corrupted files of epochs %s; %s", name, which, again
            )
            return
        if unrecorded:
            recording = self.recorder.recording.name
            lacks = (
                f"recording {recording} is missing of epochs {unrecorded[0]} to {unrecorded[-1]}"
            )
            why = lacks
        else:
            lacks = f"epoch {self.manifest.trained} is not in it"
            why = f"the optimizer's state was kept before epoch {epochs[0]}"
        self._must_write(lacks)
        checked = "which gives the weights that are there (this is checked)"
        log.info("trajectory %s: %s; %s, %s", name, why, again, checked)

    def _check_space(self, count: int, again: int) -> None:
        """Before anything is trained: whether there is room for what `count` epochs lack, of whose
        checkpoints so many must be written `again`."""
        new = range(self.manifest.trained, count)
        records = sum(len(self.recorder.lacking(epoch)) for epoch in range(count))
        if self.manifest.diverged or not self.writable or not (new or again or records):
            return
        epochs = len(new) + again
        wanted = space.needed(
            self.recipe, self.dataset, epochs=epochs, records=records, splits=self.keys
        )
        space.check(self.directory.parent, wanted)

    def _compare(self, trainer: Trainer, epoch: int) -> None:
        if checkpoint.digest(trainer.model.state_dict()) != self.manifest.weights(epoch):
            raise StoreError(
                f"{self.directory}: training epoch {epoch} again gives other weights than "
                f"recorded, under {self.manifest.environment(epoch)}. Use the same machine and "
                "training.threads, or remove the trajectory (python -m polyak store remove)"
            )

    def _must_write(self, why: str) -> None:
        if not self.writable:
            raise StoreError(f"{self.directory}: {why}, and the store is read only")

    def _begin(self, epoch: int) -> Trainer:
        """A trainer that is ready for `epoch`."""
        images, labels = self.dataset.train.images, self.dataset.train.labels
        trainer = Trainer.begin(self.recipe, images.to(self.device), labels.to(self.device))
        if epoch:
            weights = checkpoint.load(paths.checkpoint(self.directory, epoch - 1))
            trainer.model.load_state_dict(weights.tensors)
            optimizer_state.load(paths.state(self.directory, epoch - 1), trainer.optimizer)
        self.trainer, self.next_epoch = trainer, epoch
        return trainer

    def _train(self, trainer: Trainer, epoch: int) -> EpochResult:
        self.next_epoch = -1  # until it is trained, it is nowhere
        with self.recorder.epoch(trainer.model, trainer.optimizer, epoch) as record:
            result = train_epoch(trainer, epoch, on_step=lambda: (record(), self.on_step()))
        self.next_epoch = epoch + 1
        return result

    def _train_next(self, epoch: int, *, last: bool) -> None:
        """Train the epoch after the last one of the store, and put it there."""
        manifest, directory = self.manifest, self.directory
        if manifest.diverged:
            raise DivergedError(manifest.diverged["reason"], epoch=manifest.diverged["epoch"])
        self._must_write(f"epoch {epoch} is not in it")
        if epoch:
            environment.check_same(self.device, manifest.environment(epoch - 1), str(directory))
        trainer = self.trainer
        if trainer is None or self.next_epoch != epoch:
            trainer = self._begin(epoch)
        try:
            result = self._train(trainer, epoch)
        except DivergedError as error:
            manifest.set_diverged(epoch, str(error))
            manifest.write()
            raise
        weights, path = trainer.model.state_dict(), paths.checkpoint(directory, epoch)
        checkpoint.save(path, weights, {"epoch": epoch})
        for split, key in self.keys.items():
            self._evaluate(trainer.model, split, paths.logits(directory, key, epoch))
        ran_in = environment.describe(self.device, self.recipe.precision)
        manifest.add(result, checkpoint.digest(weights), path, ran_in)
        keeps = last or (epoch + 1) % self.recorder.recording.state_every == 0
        if keeps:
            self._save_state(trainer, epoch)
        self.recorder.commit(epoch, manifest.weights(epoch))
        manifest.append()
        if keeps:
            manifest.drop_older_states()

    def _save_state(self, trainer: Trainer, epoch: int) -> None:
        path = paths.state(self.directory, epoch)
        optimizer_state.save(path, trainer.optimizer)
        self.manifest.set_state(path)

    def _evaluate(self, model: torch.nn.Module, split: str, path: Path) -> None:
        """Write the logits of the model to `path`."""
        pixels = self.dataset.evaluated[split].images.to(self.device)
        how = Inference(self.recipe.precision, self.recipe.scaling)
        checkpoint.save(path, {"logits": logits(model, pixels, how)})
        self.manifest.record(path)

    def _scores(self, split: str, key: str, epoch: int) -> Scores:
        path = paths.logits(self.directory, key, epoch)
        if not self.manifest.intact(path):
            self._must_write(f"epoch {epoch} is not evaluated on this {split} split")
            self._evaluate(self._model_of(epoch), split, path)
            linked.relink(self.manifest, path, epoch)
            self.manifest.append()
        return scoring.of_logits(
            path, self.manifest.sha256(path), self.dataset.evaluated[split].labels
        )

    def _model_of(self, epoch: int) -> torch.nn.Module:
        """A model with the weights of an epoch of the store."""
        if self.trainer is not None and self.next_epoch == epoch + 1:
            return self.trainer.model
        weights = checkpoint.load(paths.checkpoint(self.directory, epoch))
        self._spare_model.load_state_dict(weights.tensors)
        return self._spare_model

    @cached_property
    def _spare_model(self) -> torch.nn.Module:
        return initial_model(self.recipe.model, self.recipe.seed).to(self.device)
