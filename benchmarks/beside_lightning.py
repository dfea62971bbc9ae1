"""An epoch with its evaluation and its average, beside Lightning's; what callbacks add to one.

    python -m benchmarks --only lightning             # this project's epoch beside Lightning's
    python -m benchmarks.beside_lightning --turns 5   # Lightning's, without and with our recorder

The article's network and optimizer, batches of 128, on random images in memory. An epoch is from
its beginning to the next one's; the first, with what is done once, doesn't count. Lightning's
images are normalised once, before the clock starts, which its DataLoader then only has to batch.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.article import ArticleCNN
from benchmarks.measure import Took, in_turns
from benchmarks.subject import BATCH_SIZE, recipe, small_cnn, split
from benchmarks.table import Section, quartiles, ratios, spread
from polyak.adapters.lightning import RecordEpochs
from polyak.averaging.mean import Mean
from polyak.data.dataset import Dataset, Split
from polyak.data.inputs import Scaling, scale
from polyak.evaluation.key import evaluation_key
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import scores
from polyak.store import paths
from polyak.store.trajectory import Trajectory
from polyak.weights import checkpoint

EPOCHS = 4


class Begins:
    """Of epochs."""

    def __init__(self) -> None:
        self.times: list[Took] = []

    def add(self, *_: object) -> None:
        self.times.append(Took(time.perf_counter(), time.process_time()))

    def epochs(self) -> list[Took]:
        """All but the first."""
        pairs = list(pairwise(self.times))[1:]
        return [Took(end.wall - begin.wall, end.cpu - begin.cpu) for begin, end in pairs]


def ours(train: Split, test: Split) -> list[Took]:
    """Every epoch is kept with its hashes and evaluated, and the average of all so far."""
    data = Dataset("pixels", "random", True, None, 10, train, None, test)
    running, model, begins = Mean(), small_cnn(), Begins()
    keys = {"test": evaluation_key(test, Inference())}
    begins.add()
    with tempfile.TemporaryDirectory() as folder:
        trajectory = Trajectory(Path(folder), recipe(), data)
        for record in trajectory.epochs(count=EPOCHS, device=torch.device("cpu"), keys=keys):
            epoch = record.training.epoch
            running.add(checkpoint.load(paths.checkpoint(trajectory.directory, epoch)))
            model.load_state_dict(running.result().tensors)
            scores(logits(model, test.images, Inference()).numpy(), test.labels.numpy())
            begins.add()
    return begins.epochs()


class Module(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = ArticleCNN()

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        found = self.network(batch[0])
        self.log("loss", nn.functional.cross_entropy(found, batch[1]))
        self.log("accuracy", (found.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.001, momentum=0.9)


class AfterEpochs(WeightAveraging):
    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return epoch_idx is not None


def lightning(callbacks: list[Any], train: Split, test: Split | None = None) -> list[Took]:
    """With a split to test on, evaluates on it after every epoch and keeps the last checkpoint."""

    def loader(given: Split, shuffle: bool) -> Any:
        data = TensorDataset(scale(given.images, Scaling()), given.labels)
        return DataLoader(data, BATCH_SIZE, shuffle=shuffle)

    begins, each = Begins(), Callback()
    each.on_train_epoch_start = begins.add
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=EPOCHS,
            callbacks=[*callbacks, each],
            accelerator="cpu",
            logger=False,
            enable_checkpointing=test is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(Module(), loader(train, True), loader(test, False) if test else None)
    begins.add()
    return begins.epochs()


def sections(turns: int, images: int) -> list[Section]:
    """The table; Lightning's average is validated after every epoch."""
    splits = split(images), split(images // 4)
    cases = {
        "Lightning with WeightAveraging": lambda: lightning([AfterEpochs()], *splits),
        "this project": lambda: ours(*splits),
    }
    taken = {
        name: [statistics.median(one.wall for one in epochs) for epochs in each]
        for name, each in in_turns(cases, turns).items()
    }
    reference = taken["Lightning with WeightAveraging"]
    rows = [[name, spread(each), spread(ratios(reference, each))] for name, each in taken.items()]
    note = (
        f"n = {turns} turns; seconds of an epoch of {images:,} images with its evaluation on "
        f"{images // 4:,} and the average of the epochs so far (median of {EPOCHS - 1} epochs)."
    )
    head = ["epoch", "seconds", "times as fast as Lightning"]
    return [Section("Beside Lightning", head, rows, note)]


def recorded(train: Split, **options: Any) -> list[Took]:
    with tempfile.TemporaryDirectory() as folder:
        return lightning([RecordEpochs(Path(folder) / "run", settings={}, **options)], train)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batches", type=int, default=5)
    given = parser.parse_args()
    train = split(given.batches * BATCH_SIZE)
    cases: dict[str, Callable[[], list[Took]]] = {
        "nothing": partial(lightning, [], train),
        "RecordEpochs": partial(recorded, train),
        "RecordEpochs, means=True": partial(recorded, train, means=True),
        "WeightAveraging, each epoch": lambda: lightning([AfterEpochs()], train),
        "WeightAveraging, each step": lambda: lightning([WeightAveraging()], train),
    }
    found = in_turns(cases, given.turns)
    print(f"{given.batches} batches of {BATCH_SIZE} per epoch, {torch.get_num_threads()} threads")
    for kind in Took._fields:
        for name, turns in found.items():
            each = [1e3 * getattr(one, kind) for epochs in turns for one in epochs]
            print(f"{kind:4} {name:28} {quartiles(each, '.0f')} ms per epoch")


if __name__ == "__main__":
    main()
