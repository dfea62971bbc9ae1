"""The most memory that is taken by what is done once, beyond what the process had before.

    python -m benchmarks --only memory

Each measurement is a process of its own, under the system's allocator.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn

import polyak
from benchmarks.measure import Memory, apart, in_turns, watched
from benchmarks.sharded import shapes
from benchmarks.subject import pixels
from benchmarks.table import Section, spread
from polyak import allocator
from polyak.averaging.mean import mean_of_files
from polyak.averaging.stream import average_files
from polyak.data import arrays, drawn_digits, house_numbers
from polyak.weights import distances

IMAGE = 3 * 32 * 32
"""Bytes."""

Found = tuple[Memory, int]
"""And the bytes of the images, of a file, or of the model."""


def loaded(folder: Path, size: int, save: str = "savez") -> Found:
    """dataset=arrays, the test file a tenth of the training file."""
    apart(save_images, save, folder, size)  # else the memory that it took would be there to use
    names = [str(folder / name) for name in ("train.npz", "test.npz")]
    return watched(lambda: arrays.load(*names)), size + size // 10


def save_images(save: str, folder: str, size: int) -> None:
    images, labels = pixels(size // IMAGE)
    for name, few in (("train", size // IMAGE), ("test", size // IMAGE // 10)):
        shown = images[:few].movedim(1, 3).numpy()
        getattr(np, save)(f"{folder}/{name}.npz", images=shown, labels=labels[:few].numpy())


def drawn(folder: Path, size: int) -> Found:
    """dataset=house_numbers, the first time; as many images for testing as for training."""
    drawn_digits._draw_atlas()  # the fonts
    half = size // 2 // IMAGE
    load = partial(house_numbers.load, str(folder), limit_train=half, limit_test=half)
    return watched(load), 2 * half * IMAGE


def weighed(
    folder: Path, what: Callable[[Sequence[Path]], object], number: int, size: int
) -> Found:
    """What is done with that number of files, of 4 MB a tensor."""
    paths = [folder / f"{place}.safetensors" for place in range(number)]
    apart(save_weights, paths, size)
    return watched(lambda: what(paths)), size


def save_weights(paths: Sequence[str], size: int) -> None:
    for place, path in enumerate(paths):
        tensors = {f"t{i}": torch.full((1 << 20,), float(place)) for i in range(size >> 22)}
        safetensors.torch.save_file(tensors, path)


def recorded(folder: Path) -> Found:
    """`polyak.Recorder.epoch`, of a model with large tensors."""
    model = nn.Module()
    for name, shape in shapes(16).items():
        model.register_parameter(name.replace(".", "_"), nn.Parameter(torch.ones(shape)))
    with polyak.Recorder(folder / "run", model, settings={}) as recorder:
        return watched(recorder.epoch), sum(one.nbytes for one in model.parameters())


WEIGHED: dict[str, Callable[[Sequence[Path]], object]] = {
    "distances": lambda paths: distances.between(dict(enumerate(paths)), paths[0]),
    "mean_of_files": mean_of_files,
    "average_files": lambda paths: average_files(paths[0].with_name("mean.safetensors"), paths),
}

CASES: dict[str, Callable[[Path], Found]] = {
    **{f"arrays, {one} MB": partial(loaded, size=one << 20) for one in (25, 100)},
    "arrays compressed, 25 MB": partial(loaded, size=25 << 20, save="savez_compressed"),
    **{f"house_numbers, {one} MB": partial(drawn, size=one << 20) for one in (6, 24, 48)},
    **{
        f"{name}, {number} files of 128 MB": partial(weighed, what=do, number=number, size=1 << 27)
        for name, do in WEIGHED.items()
        for number in (2, 5)
    },
    "Recorder.epoch, 1.0 GB": recorded,
}


def measured(name: str) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        return CASES[name](Path(folder))


def sections(turns: int) -> list[Section]:
    """The table."""
    system = {allocator.SWITCH: "system"}
    cases = {name: partial(apart, measured, name, **system) for name in CASES}
    rows = []
    for name, found in in_turns(cases, turns).items():
        own, resident = ([one[0][kind] / 2**20 for one in found] for kind in (0, 1))
        shares = [of_own * 2**20 / size for of_own, (_, size) in zip(own, found, strict=True)]
        rows.append([name, spread(shares), spread(own, ",.0f"), spread(resident, ",.0f")])
    note = (
        f"n = {turns}. The most beyond what the process had before: its own, and with the pages of "
        "mapped files, which the system may take back."
    )
    head = ["of", "own, times the images or one file", "own, MB", "resident, MB"]
    return [Section("Memory", head, rows, note)]
