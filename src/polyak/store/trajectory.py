"""One training on disk: trained once, continued, and read by every run that needs it.

    trajectory = Trajectory(store, recipe.ingredients(dataset, epochs=20))
    for record in trajectory.epochs(recipe, dataset, count=20, device=device, keys=keys):
        print(record.training.epoch, record.scores["test"].accuracy)
    print(trajectory.origin)  # trained, resumed or reused

A trajectory's directory is named by its fingerprint, so runs that differ only in averaging or
evaluation have the same one; docs/files.md describes its files. It changes only under a lock, and
`manifest.py` lists what is whole: an epoch counts once its files are on disk and listed there.
"""

import errno
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from polyak import files
from polyak.data.dataset import Dataset
from polyak.errors import DivergedError, StoreError
from polyak.evaluation import logits as evaluation
from polyak.evaluation.logits import Scores
from polyak.store import environment, optimizer_state
from polyak.store.fingerprint import fingerprint
from polyak.store.manifest import FILES, Manifest
from polyak.training import epoch as training
from polyak.training.recipe import Recipe
from polyak.weights import checkpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: how its training went, the checkpoint's scores by split, and whether the training
    was found in the store."""

    training: training.EpochResult
    scores: Mapping[str, Scores]
    stored: bool = False


class Trajectory:
    """The directory of one training, below `store`."""

    def __init__(self, store: Path, ingredients: Mapping[str, Any]) -> None:
        self.ingredients = dict(ingredients)
        self.fingerprint = fingerprint(ingredients)
        self.directory = store / self.fingerprint
        self._stored: set[bool] = set()

    @property
    def origin(self) -> str:
        """How `epochs` came by its records: "trained", "reused", or "resumed" for some of each."""
        if len(self._stored) == 2:
            return "resumed"
        return "reused" if True in self._stored else "trained"

    def checkpoint(self, epoch: int) -> Path:
        """The file of the weights after zero-based `epoch`."""
        return files.epoch_file(self.directory / "checkpoints", epoch)

    def logits(self, key: str, epoch: int) -> Path:
        """The file of what that checkpoint says of the split with that evaluation key."""
        return files.epoch_file(self.directory / "evaluations" / key, epoch)

    def state(self, epoch: int) -> Path:
        """The file of the optimizer's state after `epoch`; only the latest is kept."""
        return files.epoch_file(self.directory / "state", epoch)

    def epochs(
        self,
        recipe: Recipe,
        dataset: Dataset,
        *,
        count: int,
        device: torch.device,
        keys: Mapping[str, str],
        run: Path | None = None,
        on_step: Callable[[], object] = lambda: None,
    ) -> Iterator[EpochRecord]:
        """Yield the records of epochs 0 to `count` - 1, each when its files are on disk and whole.

        What the store has is verified and read, what it lacks is trained or evaluated; `keys` gives
        the evaluation key of each split to evaluate. The trajectory is locked meanwhile: others
        that need it wait, and then find it. `run` is noted as a directory with links to the files.

        Raises DivergedError as `training.train_epoch` does, or at once where the store has it that
        the training diverged, or for a loss on a split that is not finite; StoreError for a store
        of another format, one that would have to be written and can't be, or weights that come out
        otherwise than recorded.
        """
        with self._locked() as writable:
            manifest = Manifest.read(self.directory, self.fingerprint, self.ingredients)
            if writable:
                files.remove_half_written(self.directory, FILES)
                manifest.note_run(run)
            work = _Work(self, manifest, recipe, dataset, device, keys, on_step, writable)
            work.repair(count)
            self._stored = set()
            for epoch in range(count):
                record = work.epoch(epoch)
                self._stored.add(record.stored)
                yield record

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the trajectory's lock. False where the store can't be written: then nothing in it
        changes, and no lock is needed."""
        lock = FileLock(self.directory.with_suffix(".lock"))
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                log.info("waiting for another run, which has trajectory %s", self.fingerprint)
                lock.acquire()
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            log.info("the store is read only: %s", error)
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


class _Work:
    """One pass through a trajectory, with a model that has one epoch's weights after the other."""

    def __init__(
        self,
        trajectory: Trajectory,
        manifest: Manifest,
        recipe: Recipe,
        dataset: Dataset,
        device: torch.device,
        keys: Mapping[str, str],
        on_step: Callable[[], object],
        writable: bool,
    ) -> None:
        self.trajectory, self.manifest, self.recipe = trajectory, manifest, recipe
        self.dataset, self.device, self.keys = dataset, device, keys
        self.on_step, self.writable = on_step, writable
        self.model = self._make_model()
        self.next_epoch = -1  # the one that model and optimizer are ready to train

    def epoch(self, epoch: int) -> EpochRecord:
        """The record of an epoch, from the store or trained now."""
        stored = epoch < self.manifest.trained
        if not stored:
            self._train(epoch)
        result = self.manifest.result(epoch)
        scores = {split: self._scores(split, key, epoch) for split, key in self.keys.items()}
        for split, score in scores.items():
            _check_finite(split, score, result)
        return EpochRecord(result, scores, stored)

    def repair(self, count: int) -> None:
        """Train anew what the first `count` epochs, or continuing after them, need and what is
        missing or damaged on disk. Every epoch's weights must be those recorded."""
        manifest, damaged = self.manifest, self.manifest.damaged(count)
        last = max(damaged, default=-1)
        continues = 0 < manifest.trained < count and not manifest.diverged
        if continues and not manifest.whole(self.trajectory.state(manifest.trained - 1)):
            last = manifest.trained - 1
        if last < 0:
            return
        self._must_write(f"epochs {damaged or [last]} are missing or damaged")
        log.warning(
            "trajectory %s: missing or damaged files of epochs %s; training again from epoch 0",
            self.trajectory.fingerprint,
            damaged or [last],
        )
        self._begin(0)
        for epoch in range(last + 1):
            self._train_one(epoch)
            weights = checkpoint.digest(self.model.state_dict())
            if weights != manifest.weights(epoch):
                raise StoreError(
                    f"{self.trajectory.directory}: training epoch {epoch} again gives other "
                    f"weights than recorded, under {manifest.environment(epoch)}. Use the same "
                    "machine and training.threads, or remove the trajectory "
                    "(python -m polyak.store.maintenance remove)"
                )
            if epoch in damaged:
                checkpoint.save(
                    self.trajectory.checkpoint(epoch), self.model.state_dict(), {"epoch": epoch}
                )
                manifest.relink(self.trajectory.checkpoint(epoch))
        if last == manifest.trained - 1:
            optimizer_state.save(self.trajectory.state(last), self.optimizer)
            manifest.set_state(self.trajectory.state(last))
        manifest.write()

    def _must_write(self, why: str) -> None:
        if not self.writable:
            raise StoreError(f"{self.trajectory.directory}: {why}, and the store is read only")

    def _begin(self, epoch: int) -> None:
        """Make model and optimizer ready to train `epoch`."""
        self.model = self._make_model()
        self.optimizer = self.recipe.optimizer(self.model.parameters())
        self.forward = torch.compile(self.model) if self.recipe.compiled else self.model
        if epoch:
            weights = checkpoint.load(self.trajectory.checkpoint(epoch - 1))
            self.model.load_state_dict(weights.tensors)
            optimizer_state.load(self.trajectory.state(epoch - 1), self.optimizer)
        self.images = self.dataset.train.images.to(self.device)
        self.labels = self.dataset.train.labels.to(self.device)
        self.next_epoch = epoch

    def _make_model(self) -> nn.Module:
        return training.initial_model(self.recipe.model, self.recipe.seed).to(self.device)

    def _train_one(self, epoch: int) -> training.EpochResult:
        recipe, schedule = self.recipe, self.recipe.schedule
        planned = self.trajectory.ingredients["planned_epochs"] or epoch + 1
        training.set_learning_rate(self.optimizer, schedule.factor(epoch, planned))
        self.next_epoch = -1  # until it is trained, it is nowhere
        result = training.train_epoch(
            self.model,
            self.optimizer,
            self.images,
            self.labels,
            epoch=epoch,
            seed=recipe.seed,
            batch_size=recipe.batch_size,
            precision=recipe.precision,
            forward=self.forward,
            on_step=self.on_step,
        )
        self.next_epoch = epoch + 1
        return result

    def _train(self, epoch: int) -> None:
        """Train the epoch after the last one of the store, and put it there."""
        manifest, trajectory = self.manifest, self.trajectory
        if manifest.diverged:
            raise DivergedError(manifest.diverged["reason"], epoch=manifest.diverged["epoch"])
        self._must_write(f"epoch {epoch} is not in it")
        if self.next_epoch != epoch:
            self._begin(epoch)
        try:
            result = self._train_one(epoch)
        except DivergedError as error:
            manifest.set_diverged(epoch, str(error))
            manifest.write()
            raise
        weights = self.model.state_dict()
        checkpoint.save(trajectory.checkpoint(epoch), weights, {"epoch": epoch})
        for split, key in self.keys.items():
            self._evaluate(split, key, epoch)
        optimizer_state.save(trajectory.state(epoch), self.optimizer)
        ran_in = environment.describe(self.device, self.recipe.precision)
        manifest.add(result, checkpoint.digest(weights), trajectory.checkpoint(epoch), ran_in)
        manifest.set_state(trajectory.state(epoch))
        manifest.write()
        for path in trajectory.state(epoch).parent.iterdir():  # a killed process may leave several
            if path != trajectory.state(epoch):
                path.unlink()

    def _evaluate(self, split: str, key: str, epoch: int) -> None:
        """Evaluate the model, which has the epoch's weights."""
        pixels = self.dataset.evaluated[split].images.to(self.device)
        answers = evaluation.logits(self.model, pixels, precision=self.recipe.precision)
        path = self.trajectory.logits(key, epoch)
        checkpoint.save(path, {"logits": answers})
        self.manifest.set_logits(path)

    def _scores(self, split: str, key: str, epoch: int) -> Scores:
        path = self.trajectory.logits(key, epoch)
        if not self.manifest.whole(path):
            self._must_write(f"epoch {epoch} is not evaluated on this {split} split")
            if self.next_epoch != epoch + 1:
                self.next_epoch = -1  # the optimizer is not that of these weights
                weights = checkpoint.load(self.trajectory.checkpoint(epoch))
                self.model.load_state_dict(weights.tensors)
            self._evaluate(split, key, epoch)
            self.manifest.relink(path)
            self.manifest.write()
        return _scores(path, self.manifest.sha256(path), self.dataset.evaluated[split].labels)


_scores_of: dict[str, Scores] = {}
"""By the logits' SHA-256 and the evaluation key: a sweep's runs score the same logits."""


def _scores(path: Path, sha256: str, labels: torch.Tensor) -> Scores:
    name = f"{path.parent.name} {sha256}"
    if name not in _scores_of:
        _scores_of[name] = evaluation.scores(checkpoint.load(path).tensors["logits"], labels)
    return _scores_of[name]


def _check_finite(split: str, scores: Scores, result: training.EpochResult) -> None:
    if not math.isfinite(scores.loss):
        raise DivergedError(
            f"training diverged: the {split} loss is {scores.loss} after epoch {result.epoch} "
            f"at lr {result.lr:g}; try a smaller optimizer.lr",
            epoch=result.epoch,
        )
