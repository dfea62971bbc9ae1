"""Fixtures: small images that a small network can learn, and a way to run the real commands."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import forked

ROOT = Path(__file__).resolve().parents[1]


# Results differ in the last bits between numbers of threads; tests fix it.
torch.set_num_threads(2)


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


@pytest.fixture(scope="session")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with train.npz (300 images of 8x8) and test.npz (90)."""
    directory = tmp_path_factory.mktemp("arrays")
    np.savez(directory / "train.npz", **learnable(300, seed=0))
    np.savez(directory / "test.npz", **learnable(90, seed=1))
    return directory


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def train(tmp_path: Path, arrays: Path) -> Command:
    """Run train.py's command on the small images, all outputs below `tmp_path`/outputs.

    Called with overrides; those given come after, and so win over, the small defaults. Each run is
    a process of its own, forked from one that has done the imports; tests of what a person's very
    process does start that instead.
    """

    def command(
        *overrides: str, small: bool = True, again: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        defaults = [f"paths.outputs={tmp_path}/outputs"]
        if small:
            defaults += [
                "dataset=arrays",
                f"dataset.train={arrays}/train.npz",
                f"dataset.test={arrays}/test.npz",
                "model.channels=[4,8]",
                "model.hidden=16",
                "training.batch_size=32",
                "training.epochs=4",
                "training.threads=2",
                "training.device=cpu",
                "averaging.start=2",
            ]
        flags = [one for one in overrides if one.startswith("--")]
        flags += ["--again", str(again)] if again else []
        values = [one for one in overrides if not one.startswith("--")]
        return forked.run([*flags, *defaults, *values], tmp_path)

    return command
