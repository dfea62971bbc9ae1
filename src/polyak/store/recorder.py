"""Records a trajectory between the ends of its epochs, while it is trained or trained again.

    recorder = Recorder(manifest, Recording(every=0.1, means=True), steps=572)
    with recorder.epoch(trainer.model, trainer.optimizer, epoch=0) as on_step:
        train_epoch(trainer, 0, on_step=on_step)
    recorder.commit(0, weights_sha256)

Training knows nothing of it: after a step it reads the weights, and leaves every bit as it is.
Files are written by a thread, and count once their epoch's weights are known (`commit`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.optim import Optimizer

from polyak.records.recording import Entry
from polyak.store import linked, paths
from polyak.store.manifest import Manifest, sha256_of
from polyak.store.record_index import RecordIndex
from polyak.store.recording import Recording
from polyak.store.steps import Reads, Steps
from polyak.store.writer import Writer
from polyak.weights import checkpoint

Save: TypeAlias = Callable[[Path, Mapping[str, Tensor], Mapping[str, Any]], object]


class Recorder:
    """A recording of a trajectory whose epochs have so many `steps`; `save` writes a file of
    weights, as `checkpoint.save` does."""

    def __init__(
        self, manifest: Manifest, recording: Recording, steps: int, save: Save | None = None
    ) -> None:
        self._save = save or checkpoint.save
        self.manifest, self.recording, self.steps = manifest, recording, steps
        self.directory = paths.recordings(manifest.directory, recording.name)
        self.index = RecordIndex.read(self.directory)
        self._written: dict[str, dict[str, Any]] = {}  # all of an entry but its epoch's weights

    def lacking(self, epoch: int) -> dict[str, range]:
        """Those of the recording's files of an epoch that are not there, intact."""
        wanted = self.recording.files(epoch, self.steps)
        if epoch >= self.manifest.trained:
            return wanted
        weights = self.manifest.weights(epoch)
        return {
            file: steps for file, steps in wanted.items() if not self.index.intact(file, weights)
        }

    @contextmanager
    def epoch(
        self, model: nn.Module, optimizer: Optimizer | None, epoch: int
    ) -> Iterator[Callable[[], None]]:
        """What is to be called after each step of an epoch, to record what it lacks. On leaving,
        all is on disk; after an exception, none of it is left.

        Raises ConfigError for means of an optimizer that deploys other weights than it trains at,
        and what writing raises.
        """
        lacking = self.lacking(epoch)
        with self.writing(lacking), Writer() as writer:

            def put(file: str, steps: range, tensors: Mapping[str, Tensor]) -> None:
                writer.put(lambda: self.write(file, steps, tensors))

            yield Steps(Reads(model, optimizer), epoch * self.steps, lacking, put, writer.check)
            writer.finish()

    @contextmanager
    def writing(self, lacking: Collection[str]) -> Iterator[None]:
        """Inside, files of one epoch are written; after an exception, none of them is left."""
        self._written.clear()
        if lacking:
            self.directory.mkdir(parents=True, exist_ok=True)
        try:
            yield
        except BaseException:
            for file in list(self._written):
                (self.directory / file).unlink(missing_ok=True)
            self._written.clear()
            raise

    def commit(self, epoch: int, weights: str) -> None:
        """Make what was written of an epoch count, whose weights have that SHA-256, and remove its
        checkpoints that are not to be kept."""
        known = [file for file in self._written if file in self.index.entries]
        written = self._written.items()
        self.index.add([Entry(file=f, epoch_weights_sha256=weights, **one) for f, one in written])
        self._written.clear()
        for file in known:
            linked.relink(self.manifest, self.directory / file, epoch)
        self.prune(epoch)

    def prune(self, epoch: int) -> None:
        """Remove the checkpoints of an epoch that are not to be kept, but none that a run links
        to."""
        ends = {
            paths.record("step", one.stop) for one in self.recording.intervals(epoch, self.steps)
        }
        self.index.remove(ends - self.recording.files(epoch, self.steps).keys())

    def write(self, file: str, steps: range, tensors: Mapping[str, Tensor]) -> None:
        """Write one of the epoch's files, which counts after `commit`."""
        path = self.directory / file
        self._save(path, tensors, {"steps": [steps.start, steps.stop]})
        written = {"begin": steps.start, "end": steps.stop, "sha256": sha256_of(path)}
        self._written[file] = written
