"""What an epoch of Lightning's takes: alone, with our recorder, with Lightning's averaging.

    python -m benchmarks.adapters --turns 5

The article's network on random images, in one process; the cases take turns, each turn in the
opposite order of the one before. An epoch's time is from its begin to the next one's, by the clock
and of the processors, which other load on the machine moves less.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.cases import BATCH_SIZE, small_cnn
from polyak.adapters.lightning import RecordEpochs

EPOCHS = 4


class Module(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = small_cnn()

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)


class Begins(Callback):
    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self.times.append((time.perf_counter(), time.process_time()))


class AfterEpochs(WeightAveraging):
    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return epoch_idx is not None


CASES: dict[str, Callable[[Path], list[Any]]] = {
    "nothing": lambda _: [],
    "RecordEpochs": lambda folder: [RecordEpochs(folder, settings={})],
    "RecordEpochs, means=True": lambda folder: [RecordEpochs(folder, settings={}, means=True)],
    "WeightAveraging, each epoch": lambda _: [AfterEpochs()],
    "WeightAveraging, each step": lambda _: [WeightAveraging()],
}


def epochs(callbacks: list[Any], batches: int, folder: str) -> list[tuple[float, float]]:
    """Seconds of each epoch but the last, by the clock and of the processors."""
    images = torch.randn(batches * BATCH_SIZE, 3, 32, 32)
    loader = DataLoader(TensorDataset(images, torch.arange(len(images)) % 10), BATCH_SIZE)
    begins = Begins()
    trainer = Trainer(
        max_epochs=EPOCHS,
        callbacks=[*callbacks, begins],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(Module(), loader)
    pairs = zip(begins.times, begins.times[1:], strict=False)
    return [(end[0] - begin[0], end[1] - begin[1]) for begin, end in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batches", type=int, default=5)
    given = parser.parse_args()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        epochs([], given.batches, folder)
        for turn in range(given.turns):
            for place, name in list(enumerate(CASES))[:: 1 if turn % 2 else -1]:
                callbacks = CASES[name](Path(folder) / f"{turn}_{place}")
                taken[name] += epochs(callbacks, given.batches, folder)
    print(f"{given.batches} batches of {BATCH_SIZE} per epoch, {torch.get_num_threads()} threads")
    for place, kind in enumerate(("clock", "processors")):
        plain = statistics.median(one[place] for one in taken["nothing"])
        for name, both in taken.items():
            low, middle, high = (
                1e3 * one for one in statistics.quantiles([s[place] for s in both])
            )
            print(
                f"{kind:10} {name:28} median {middle:5.0f} ms per epoch (quartiles {low:.0f} to "
                f"{high:.0f}, n = {len(both)}), {middle - 1e3 * plain:+.0f} ms"
            )


if __name__ == "__main__":
    main()
