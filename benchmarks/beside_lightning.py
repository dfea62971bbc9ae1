"""An epoch with its evaluation and its average: this project's beside Lightning's Trainer.

    sections(turns=3, images=3840)

The article's network and optimizer, batches of 128, on random images in memory; evaluated on a
quarter as many. Lightning has WeightAveraging, whose average it validates after every epoch, and
keeps the last checkpoint; this project keeps every epoch with its hashes, evaluates it, and the
average of all so far. An epoch is from its beginning to the next one's. Lightning's images are
normalised once, before the clock starts, which its DataLoader then only has to batch.
"""

import statistics
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.article import ArticleCNN
from benchmarks.cases import BATCH_SIZE, pixels, small_cnn
from benchmarks.page import Section, spread
from polyak.averaging.mean import Mean
from polyak.data.dataset import Dataset, Split
from polyak.data.inputs import Scaling, scale
from polyak.evaluation.key import evaluation_key
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import scores
from polyak.store import paths
from polyak.store.trajectory import Trajectory
from polyak.training.recipe import Recipe
from polyak.training.schedules.constant import Constant
from polyak.weights import checkpoint

EPOCHS = 4
"""Of which the first, with what is done once, doesn't count."""


def ours(folder: Path, train: Split, test: Split) -> list[float]:
    """Seconds of each epoch."""
    recipe = Recipe(
        *(small_cnn, partial(torch.optim.SGD, lr=0.001, momentum=0.9), Constant(), BATCH_SIZE),
        seed=0,
    )
    data = Dataset("pixels", "random", True, None, 10, train, None, test)
    trajectory, running, model = Trajectory(folder, recipe, data), Mean(), small_cnn()
    keys, begins = {"test": evaluation_key(test, Inference())}, [time.perf_counter()]
    for record in trajectory.epochs(count=EPOCHS, device=torch.device("cpu"), keys=keys):
        epoch = record.training.epoch
        running.add(checkpoint.load(paths.checkpoint(trajectory.directory, epoch)))
        model.load_state_dict(running.result().tensors)
        scores(logits(model, test.images, Inference()).numpy(), test.labels.numpy())
        begins.append(time.perf_counter())
    return [end - begin for begin, end in pairwise(begins)]


def lightning(folder: Path, train: Split, test: Split) -> list[float]:
    """Seconds of each epoch."""
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import WeightAveraging
    from torch.utils.data import DataLoader, TensorDataset

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

    class Each(WeightAveraging):
        def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
            return epoch_idx is not None

    class Begins(Callback):
        def __init__(self) -> None:
            self.times: list[float] = []

        def on_train_epoch_start(self, *_: Any) -> None:
            self.times.append(time.perf_counter())

    def loader(split: Split, shuffle: bool) -> Any:
        data = TensorDataset(scale(split.images, Scaling()), split.labels)
        return DataLoader(data, BATCH_SIZE, shuffle=shuffle)

    begins = Begins()
    trainer = Trainer(
        max_epochs=EPOCHS,
        callbacks=[Each(), begins],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(Module(), loader(train, True), loader(test, False))
    begins.times.append(time.perf_counter())
    return [end - begin for begin, end in pairwise(begins.times)]


def sections(turns: int, images: int) -> list[Section]:
    """The table."""
    splits = [Split(*pixels(count), torch.arange(count)) for count in (images, images // 4)]
    sides = {"Lightning with WeightAveraging": lightning, "this project": ours}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(turns):
            for name in list(sides)[:: 1 if turn % 2 else -1]:
                found = sides[name](Path(folder) / f"{turn}_{name.split()[0]}", *splits)[1:]
                taken[name].append(statistics.median(found))
                print(f"turn {turn + 1} of {turns}: {name} {taken[name][-1]:.2f} s", flush=True)
    reference = taken["Lightning with WeightAveraging"]
    rows = []
    for name, some in taken.items():
        ratios = [one / other for one, other in zip(reference, some, strict=True)]
        rows.append(
            [
                name,
                spread(some, 2),
                spread(ratios, 2),
            ]
        )
    note = (
        f"n = {turns} turns; seconds of an epoch of {images:,} images with its evaluation on "
        f"{images // 4:,} and the average of the epochs so far (median of {EPOCHS - 1} epochs)."
    )
    return [
        Section("Beside Lightning", ["epoch", "seconds", "times as fast as Lightning"], rows, note)
    ]
