"""One trajectory on disk: trained once, continued, and read by every run that needs it.

    trajectory = Trajectory(store, recipe, dataset)
    for record in trajectory.epochs(count=20, device=device, keys=keys):
        print(record.training.epoch, record.scores["test"].accuracy)
    print(trajectory.origin)  # trained, resumed or reused

A trajectory's directory is named by its fingerprint, so runs that differ only in averaging or
evaluation have the same one; docs/files.md describes its files. It changes only under a lock, and
`manifest.py` lists what is intact: an epoch counts once its files are on disk and listed there.
"""

import errno
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock, Timeout
from torch import nn

from polyak import files
from polyak.data.dataset import Dataset
from polyak.models.initial import initial_model
from polyak.records import trajectory
from polyak.store import format as store_format
from polyak.store import linked, paths
from polyak.store.fingerprint import fingerprint, ingredients
from polyak.store.manifest import Manifest
from polyak.store.record import EpochRecord
from polyak.store.recording import Recording
from polyak.store.work import Work
from polyak.training.recipe import Recipe

log = logging.getLogger(__name__)


class Trajectory:
    """The directory of one trajectory, below `store`. `model` is one of the recipe's, where one is
    there, to be given the weights that are evaluated: it is never trained."""

    def __init__(
        self, store: Path, recipe: Recipe, dataset: Dataset, model: nn.Module | None = None
    ) -> None:
        self.recipe, self.dataset = recipe, dataset
        self.model = initial_model(recipe.model, recipe.seed) if model is None else model
        self.ingredients = ingredients(recipe, dataset.train, self.model)
        self.fingerprint = fingerprint(self.ingredients)
        self.directory = store / self.fingerprint
        self._stored: set[bool] = set()

    @property
    def there(self) -> bool:
        """Whether the store has anything of it."""
        return (self.directory / trajectory.NAME).exists()

    @property
    def origin(self) -> Literal["trained", "resumed", "reused"]:
        """How `epochs` came by its records: "trained", "reused", or "resumed" for some of each."""
        if len(self._stored) == 2:
            return "resumed"
        return "reused" if True in self._stored else "trained"

    def epochs(
        self,
        *,
        count: int,
        device: torch.device,
        keys: Mapping[str, str],
        run: Path | None = None,
        on_step: Callable[[], object] = lambda: None,
        recording: Recording = Recording(),  # noqa: B008  frozen
    ) -> Iterator[EpochRecord]:
        """Yield the records of epochs 0 to `count` - 1, each when its files are on disk and intact.

        What the store has is verified and read, what it lacks is trained or evaluated; `keys` gives
        the evaluation key of each split to evaluate, and `recording` what else is wanted of each
        epoch: a stored one that lacks it is trained again. The trajectory is locked meanwhile:
        others that need it wait, and then find it. `run` is noted as a directory with links to the
        files.

        Raises DivergedError as `train_epoch` does, or at once where the store records that the
        training diverged, or for a loss on a split that is not finite; StoreError for a store of
        another format, one that would have to be written and can't be, or has less room than is
        needed, weights that come out otherwise than recorded, or an unfinished trajectory that was
        begun in another environment.
        """
        with self._locked() as writable:
            paths.check_trajectory(self.directory)
            manifest = Manifest.read(self.directory, self.fingerprint, self.ingredients)
            if writable:
                files.remove_half_written(self.directory, paths.TRAJECTORY)
                linked.note(self.directory, run)
            made_of = (manifest, self.recipe, self.dataset, self.model)
            work = Work(*made_of, device, keys, on_step, writable, recording)
            if writable:
                work.recorder.index.drop_unlisted()
            work.repair(count)
            self._stored = set()
            for epoch in range(count):
                record = work.epoch(epoch, last=epoch == count - 1)
                self._stored.add(record.stored)
                yield record
            if writable:
                manifest.fold()

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the trajectory's lock. False where the store can't be written: then nothing in it
        changes, and no lock is needed."""
        store = self.directory.parent
        lock = FileLock(self.directory.with_suffix(".lock"))
        try:
            store.mkdir(parents=True, exist_ok=True)
            store_format.check(store)
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
