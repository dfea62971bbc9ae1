"""Page faults and time of what is done over and over, and the memory of what is done once.

    python -m benchmarks --only memory     # both tables; some two minutes per turn
    python -m benchmarks.memory window     # one measurement, in this process, as JSON

Each measurement is a process of its own, and the two allocators take turns: the system's, and
polyak.allocator's settings. Memory is what the process has at most beyond what it had before: its
own (Linux: RssAnon), and all that is resident, with the pages of mapped files, which the system may
take back.
"""

import argparse
import json
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from benchmarks.cases import BATCH_SIZE, pixels, small_cnn
from benchmarks.page import Section, spread
from benchmarks.speed import child
from polyak import allocator
from polyak.averaging.mean import mean_of_files
from polyak.averaging.stream import average_files
from polyak.data import arrays, drawn_digits, house_numbers
from polyak.data.augmentations.cutout import Cutout
from polyak.data.dataset import Split
from polyak.evaluation.evaluator import Evaluator
from polyak.evaluation.logits import BATCH_SIZE as EVALUATED
from polyak.evaluation.logits import Inference
from polyak.maps import windows
from polyak.runs.treatment import Treatment
from polyak.training.recipe import Recipe
from polyak.training.schedules.constant import Constant
from polyak.training.trainer import Trainer
from polyak.weights import checkpoint, distances
from polyak.weights.checkpoint import Checkpoint

IMAGE = 3 * 32 * 32
"""Bytes."""


class Cost(NamedTuple):
    """Of one repetition: minor page faults, and milliseconds."""

    faults: float
    milliseconds: float


class Memory(NamedTuple):
    """The most bytes beyond those before, the process's own and all resident; and the bytes of the
    images, or of a file."""

    own: int
    resident: int
    given: int


def repeated(done: Iterator[object], warm: int, times: int) -> Cost:
    """Of `times` steps of what is `done`, after `warm` others."""
    for _ in range(warm):
        next(done)
    faults, began = _faults(), time.perf_counter()
    for _ in range(times):
        next(done)
    seconds = time.perf_counter() - began
    return Cost((_faults() - faults) / times, 1e3 * seconds / times)


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def step(folder: Path) -> Cost:
    """A training step of the article's network."""
    recipe = Recipe(small_cnn, partial(torch.optim.SGD, lr=0.001), Constant(), BATCH_SIZE, seed=0)
    trainer = Trainer.begin(recipe, *pixels(8 * BATCH_SIZE))
    return repeated((one for epoch in count() for one in trainer.steps(epoch)), 4, 12)


def evaluation(folder: Path) -> Cost:
    """A batch of the article's network's evaluation, four in a split."""
    model = small_cnn()
    evaluator, state = _evaluator(model, 4 * EVALUATED), dict(model.state_dict())
    found = repeated((evaluator.scores(evaluator.logits(state)) for _ in repeat(None)), 1, 4)
    return Cost(found.faults / 4, found.milliseconds / 4)


def _evaluator(model: nn.Module, images: int) -> Evaluator:
    shown, labels = pixels(images)
    split = Split(shown, labels, torch.arange(images))
    return Evaluator(model, {"test": split}, torch.device("cpu"), Inference())


class Plain(Treatment):
    """The article's network has no batch norm."""

    def computed(self, weights: Checkpoint) -> dict[str, Tensor]:
        raise NotImplementedError


def window(folder: Path) -> Cost:
    """A window of a map of the article's network, on 50 images: most of it is averaging."""
    model, epochs = small_cnn(), 16
    for epoch in range(epochs):
        checkpoint.save(folder / f"{epoch}.safetensors", model.state_dict())
    wanted = windows.windows(range(epochs), range(epochs + 1))
    found = windows.evaluate(
        *(lambda epoch: folder / f"{epoch}.safetensors", _evaluator(model, 50)),
        *(Plain([], "average"), wanted),
    )
    return repeated(found, epochs, len(wanted) - epochs)


def augmented(folder: Path) -> Cost:
    """A batch that is cropped, flipped and has a square cut out."""
    images, _ = pixels(BATCH_SIZE)
    augmentation = Cutout()
    table = augmentation.draw(BATCH_SIZE, 32, 32, torch.Generator().manual_seed(0))
    return repeated((augmentation.apply(images, table) for _ in repeat(None)), 20, 200)


REPEATED = {"step": step, "evaluation": evaluation, "window": window, "augmented": augmented}


def beyond(watched: Callable[[], object]) -> tuple[int, int]:
    """The most own and the most resident bytes while it runs, beyond those before."""
    before, most, done = _resident(), [0, 0], threading.Event()

    def watch() -> None:
        while not done.wait(0.0005):
            for place, now in enumerate(_resident()):
                most[place] = max(most[place], now - before[place])

    thread = threading.Thread(target=watch)
    thread.start()
    watched()
    done.set()
    thread.join()
    return most[0], most[1]


def _resident() -> tuple[int, int]:
    lines = Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    own, whole = (1024 * int(found[name].split()[0]) for name in ("RssAnon", "VmRSS"))
    return own, whole


def _save_images(save: Callable[..., None], folder: str, size: int) -> None:
    images, labels = pixels(size // IMAGE)
    for name, few in (("train", size // IMAGE), ("test", size // IMAGE // 10)):
        shown = images[:few].movedim(1, 3).numpy()
        save(f"{folder}/{name}.npz", images=shown, labels=labels[:few].numpy())


def loaded(folder: Path, size: int, save: Callable[..., None] = np.savez) -> Memory:
    """dataset=arrays, the test file a tenth of the training file."""
    _elsewhere(_save_images, save, str(folder), size)
    names = [str(folder / name) for name in ("train.npz", "test.npz")]
    return Memory(*beyond(lambda: arrays.load(*names)), size + size // 10)


def drawn(folder: Path, size: int) -> Memory:
    """dataset=house_numbers, the first time; as many images for testing as for training."""
    drawn_digits._draw_atlas()  # the fonts
    half = size // 2 // IMAGE
    load = partial(house_numbers.load, str(folder), limit_train=half, limit_test=half)
    return Memory(*beyond(load), 2 * half * IMAGE)


def _save_weights(folder: str, number: int, size: int) -> None:
    for place in range(number):
        tensors = {f"t{i}": torch.full((1 << 20,), float(place)) for i in range(size >> 22)}
        safetensors.torch.save_file(tensors, f"{folder}/{place}.safetensors")


def weighed(
    folder: Path, what: Callable[[Sequence[Path]], object], number: int, size: int
) -> Memory:
    """What is done with that number of files, of 4 MB a tensor."""
    _elsewhere(_save_weights, str(folder), number, size)
    paths = [folder / f"{place}.safetensors" for place in range(number)]
    return Memory(*beyond(lambda: what(paths)), size)


def _elsewhere(make: Callable[..., None], *arguments: object) -> None:
    """In a process of its own: memory that making the files took would be there to be used."""
    with get_context("spawn").Pool(1) as pool:
        pool.apply(make, arguments)


def _distances(paths: Sequence[Path]) -> object:
    return distances.between(dict(enumerate(paths)), paths[0])


def _average_files(paths: Sequence[Path]) -> object:
    return average_files(paths[0].with_name("mean.safetensors"), paths)


WEIGHED: dict[str, Callable[[Sequence[Path]], object]] = {
    "distances": _distances,
    "mean_of_files": mean_of_files,
    "average_files": _average_files,
}

ONCE: dict[str, Callable[[Path], Memory]] = {
    **{f"arrays, {one} MB": partial(loaded, size=one << 20) for one in (25, 100)},
    "arrays compressed, 25 MB": partial(loaded, size=25 << 20, save=np.savez_compressed),
    **{f"house_numbers, {one} MB": partial(drawn, size=one << 20) for one in (6, 24, 48)},
    **{
        f"{name}, {number} files of 128 MB": partial(weighed, what=do, number=number, size=1 << 27)
        for name, do in WEIGHED.items()
        for number in (2, 5)
    },
}


def in_turns(
    names: Sequence[str], allocators: Sequence[str], turns: int
) -> dict[str, list[list[float]]]:
    """What each measurement gives under each allocator, by turn, in processes of their own."""
    found: dict[str, list[list[float]]] = {}
    for turn in range(turns):
        for name in names[:: 1 if turn % 2 else -1]:
            for one in allocators:
                env = {**os.environ, allocator.SWITCH: one}
                said = child(["-m", "benchmarks.memory", name], env)
                found.setdefault(f"{name}/{one}", []).append(json.loads(said))
    return found


def sections(turns: int) -> list[Section]:
    """Page faults and time, and memory."""
    both = ("system", "kept")
    found = in_turns(list(REPEATED), both, turns)
    head = ["per", *(f"{what}, {one}" for one in both for what in ("page faults", "ms"))]
    rows = []
    for name in REPEATED:
        row = [name]
        for one in both:
            faults, milliseconds = zip(*found[f"{name}/{one}"], strict=True)
            row += [spread(faults, 0), spread(milliseconds, 1)]
        rows.append(row)
    note = (
        f"n = {turns}, of the article's network: per training step of 128 images, batch "
        "of an evaluation of 250, window of a map on 50 images, batch of 128 that is augmented; "
        "under the system's allocator, and with `polyak.allocator`'s settings (kept)."
    )
    repeatedly = Section("Page faults", head, rows, note)
    found = in_turns(list(ONCE), both[:1], turns)
    rows = []
    for name in ONCE:
        own, resident, given = zip(*found[f"{name}/system"], strict=True)
        shares = [one / of for one, of in zip(own, given, strict=True)]
        megabytes = ([one / 2**20 for one in kind] for kind in (own, resident))
        rows.append([name, spread(shares, 2), *(spread(one, 0) for one in megabytes)])
    note = (
        f"n = {turns}. The most beyond what the process had before: its own, and with the pages of "
        "mapped files, which the system may take back."
    )
    head = ["of", "own, times the images or one file", "own, MB", "resident, MB"]
    return [repeatedly, Section("Memory", head, rows, note)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", choices=(*REPEATED, *ONCE))
    given = parser.parse_args()
    allocator.keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps((REPEATED | ONCE)[given.case](Path(folder))))


if __name__ == "__main__":
    main()
