"""Records a trajectory between the ends of its epochs, while it is trained or trained again.

    recorder = Recorder(manifest, Recording(every=0.1, means=True), steps=572)
    with recorder.epoch(trainer.model, trainer.optimizer, epoch=0) as on_step:
        train_epoch(trainer, 0, on_step=on_step)
    recorder.commit(0, weights_sha256)

Training knows nothing of it: after a step it reads the weights, and leaves every bit as it is.
Files are written by a thread, and count once their epoch's weights are known (`commit`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from polyak import files
from polyak.averaging.step_mean import StepMean
from polyak.errors import ConfigError
from polyak.records.recording import Entry
from polyak.store import paths
from polyak.store.manifest import Manifest
from polyak.store.record_index import RecordIndex
from polyak.store.recording import Recording
from polyak.store.writer import Writer
from polyak.training.trainer import set_mode
from polyak.weights import checkpoint


class Recorder:
    """A recording of a trajectory whose epochs have so many `steps`."""

    def __init__(self, manifest: Manifest, recording: Recording, steps: int) -> None:
        self.manifest, self.recording, self.steps = manifest, recording, steps
        self.directory = paths.recordings(manifest.directory, recording.name)
        self.index = RecordIndex.read(self.directory)
        self._written: dict[str, dict[str, Any]] = {}  # all of an entry but its epoch's weights

    def wanted(self, epoch: int) -> dict[str, range]:
        """The files of an epoch, and the steps of each; its end's is the epoch's checkpoint."""
        recording, found = self.recording, dict[str, range]()
        if recording.means:
            means = recording.intervals(epoch, self.steps)
            found |= {paths.record("mean", one.stop): one for one in means}
        if recording.finer:
            within = recording.checkpoints(epoch, self.steps)[:-1]
            found |= {paths.record("step", one.stop): one for one in within}
        return found

    def lacking(self, epoch: int) -> dict[str, range]:
        """Those of `wanted` that are not there, intact."""
        wanted = self.wanted(epoch)
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
        self._written.clear()
        lacking = self.lacking(epoch)
        if not lacking:
            yield lambda: None
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            with Writer() as writer:
                first = epoch * self.steps
                yield _Epoch(model, optimizer, first, lacking, writer, self._write).step
                writer.finish()
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
            self.manifest.relink(self.directory / file, epoch)
        self.prune(epoch)

    def prune(self, epoch: int) -> None:
        """Remove the checkpoints of an epoch that are not to be kept, but none that a run links
        to."""
        ends = {
            paths.record("step", one.stop) for one in self.recording.intervals(epoch, self.steps)
        }
        self.index.remove(ends - set(self.wanted(epoch)))

    def _write(self, file: str, steps: range, tensors: Mapping[str, Tensor]) -> None:
        path = self.directory / file
        checkpoint.save(path, tensors, {"steps": [steps.start, steps.stop]})
        digests = {"sha256": files.sha256(path), "weights_sha256": checkpoint.digest(tensors)}
        self._written[file] = {"begin": steps.start, "end": steps.stop, **digests}


class _Epoch:
    """Follows one epoch's steps from step `first` of the training on."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | None,
        first: int,
        lacking: Mapping[str, range],
        writer: Writer,
        write: Callable[[str, range, Mapping[str, Tensor]], None],
    ) -> None:
        self._model, self._optimizer = model, optimizer
        self._done, self._writer, self._write = first, writer, write
        self._means = self._by("begin", "mean", lacking)
        self._ends = self._by("end", "step", lacking)
        self._mean: tuple[str, range, StepMean] | None = None
        if self._means and hasattr(optimizer, "eval"):
            raise ConfigError(
                f"recording.means = True: {type(optimizer).__name__} deploys a mean over "
                "steps of its own, and trains at other weights; allowed: recording.means=false"
            )
        self._begin()

    @staticmethod
    def _by(
        place: Literal["begin", "end"], kind: str, lacking: Mapping[str, range]
    ) -> dict[int, tuple[str, range]]:
        return {
            steps.start if place == "begin" else steps.stop: (file, steps)
            for file, steps in lacking.items()
            if file.startswith(kind)
        }

    def step(self) -> None:
        """A step is done."""
        self._writer.check()
        self._done += 1
        if self._mean:
            file, steps, mean = self._mean
            mean.add()
            if self._done == steps.stop:
                self._put(file, steps, mean.result())
                self._mean = None
        if self._done in self._ends:
            self._put(*self._ends[self._done], deployed(self._model, self._optimizer))
        self._begin()

    def _begin(self) -> None:
        if self._done in self._means:
            self._mean = (*self._means[self._done], StepMean(self._model))

    def _put(self, file: str, steps: range, tensors: Mapping[str, Tensor]) -> None:
        self._writer.put(lambda: self._write(file, steps, tensors))


@torch.no_grad()
def deployed(model: nn.Module, optimizer: Optimizer | None) -> dict[str, Tensor]:
    """A copy, on the CPU, of what the model would be deployed as now, within an epoch; the training
    goes on from the bits that it had, in the mode that its optimizer had."""
    parameters = list(model.parameters())
    trained_at = None
    if optimizer is not None and hasattr(optimizer, "eval") and _trains(optimizer):
        trained_at = [parameter.clone() for parameter in parameters]
        set_mode(optimizer, "eval")
    state = model.state_dict()
    found = {name: one.detach().to("cpu", copy=True).contiguous() for name, one in state.items()}
    for group in checkpoint.ties(state):
        found |= dict.fromkeys(group, found[group[0]])
    if optimizer is not None and trained_at is not None:
        set_mode(optimizer, "train")
        for parameter, before in zip(parameters, trained_at, strict=True):
            parameter.copy_(before)
    return found


def _trains(optimizer: Optimizer) -> bool:
    """Whether a schedule-free one is in training mode: it says so itself, or in its groups."""
    if hasattr(optimizer, "train_mode"):
        return bool(optimizer.train_mode)
    return any(group.get("train_mode", True) for group in optimizer.param_groups)
