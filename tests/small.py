"""The one small configuration that tests run: experiment=smoke, on images that it can learn.

overrides(arrays, outputs)  # what to give train.py, before what the test itself is about
"""

import os
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from polyak.models.small_cnn import SmallCNN
from polyak.training.recipe import Recipe
from polyak.training.schedules.constant import Constant

ROOT = Path(__file__).resolve().parents[1]

THREADS = int(os.environ.get("TEST_THREADS", "1"))
"""CPU threads of the tests and of what they start. Results differ in the last bits between numbers
of threads, so both sides of a comparison must have the same one."""

EPOCHS, START = 4, 2
"""Those of experiment=smoke."""


def learnable(count: int, seed: int, side: int = 8, classes: int = 10) -> dict[str, np.ndarray]:
    """Noisy RGB images whose class is a bright spot's place and colour, in groups of three."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    images = generator.integers(0, 120, (count, side, side, 3))
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, label % 3] += 120
    return {
        "images": images.astype(np.uint8),
        "labels": labels.astype(np.uint8),
        "source_image": np.arange(count, dtype=np.int32) // 3,
    }


def blank(_: Figure, path: Path) -> None:
    """In the place of `polyak.runs.style._render`, which takes a quarter of a small run's time: for
    tests of anything but what is seen."""
    picture = Image.new("RGB", (1, 1))
    picture.save(path, path.suffix.removeprefix("."))


def network() -> SmallCNN:
    """That of experiment=smoke, for those images."""
    return SmallCNN((3, 8, 8), 10, channels=(4, 8), hidden=16)


def make_recipe(**changed) -> Recipe:
    """One for that network."""
    values = {
        "model": network,
        "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        "schedule": Constant(),
        "batch_size": 32,
        "seed": 0,
        "described": {"model": {"_target_": "small"}, "optimizer": {"lr": 0.1}},
    }
    return Recipe(**values | changed)


def overrides(arrays: Path | None, outputs: Path) -> list[str]:
    """`arrays` holds train.npz and test.npz; None: images are those of the experiment."""
    given = [f"paths.outputs={outputs}", "experiment=smoke", f"training.threads={THREADS}"]
    if arrays is not None:
        files = (f"dataset.{name}={arrays}/{name}.npz" for name in ("train", "test"))
        given += ["dataset=arrays", "dataset.limit_train=null", "dataset.limit_test=null", *files]
    return given
