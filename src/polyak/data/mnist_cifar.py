"""MNIST, Fashion-MNIST, KMNIST, CIFAR-10 and CIFAR-100, as published.

    python src/train.py dataset=cifar10

mnist: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998;
fashion_mnist: Xiao et al., arXiv 1708.07747; kmnist: Clanuwat et al., arXiv 1812.01718, CC BY-SA.
60,000 training and 10,000 test images each, 1x28x28, 10 classes.
cifar10, cifar100: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
50,000 training and 10,000 test images each, 3x32x32, 10 and 100 classes.

CIFAR is read from its binary version, since torchvision's is pickles: nothing here unpickles, not
even a file whose MD5 is right. Every file's MD5 is checked each time that it is read.
"""

import gzip
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import KMNIST, MNIST, FashionMNIST

from polyak.data import download
from polyak.data.dataset import Source, make_split
from polyak.data.download import PublishedFile
from polyak.parameters import Count, Directory

Labelled: TypeAlias = tuple[Tensor, Tensor]
"""Images uint8 [N, C, H, W] and labels uint8 [N]."""


def load(
    datasets: Directory,
    *,
    name: Literal["mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100"],
    files: Directory | None = None,
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> Source:
    """Read the files in `datasets`/`name`, downloading what is missing or corrupted, or those in
    `files`, where nothing is downloaded or written.

    Raises DataError that says what was tried, where the files can be put by hand, and what else
    to run.
    """
    chosen: Idx | Records = CIFAR[name] if name in CIFAR else MNIST_KIND[name]
    folder = Path(datasets, name) if files is None else Path(files)
    if files is None:
        download.fetch(chosen.title, folder, chosen.files, f"{_OTHERWISE}{_DEBIAN.get(name, '')}\n")
    else:
        download.require(chosen.title, folder, chosen.files)
    train, test = chosen.read(folder)
    return Source(
        name=chosen.title,
        origin=f"{chosen.title}, MD5 {', '.join(file.md5 for file in chosen.files)}",
        synthetic=False,
        classes=chosen.classes,
        train=make_split(*train, limit_train, "train"),
        test=make_split(*test, limit_test, "test"),
    )


@dataclass(frozen=True)
class Idx:
    """MNIST's kind: four .gz files, which torchvision's class knows, and the MD5 of their content
    where it was verified."""

    title: str
    known: type[MNIST]
    content: Mapping[str, str] = field(default_factory=dict)
    classes: int = 10

    @property
    def files(self) -> list[PublishedFile]:
        """Training images and labels, test images and labels."""
        return [
            PublishedFile(
                name=name,
                md5=md5,
                urls=tuple(mirror + name for mirror in self.known.mirrors),
                content_md5=self.content.get(name),
            )
            for name, md5 in self.known.resources
        ]

    def read(self, folder: Path) -> tuple[Labelled, Labelled]:
        """Train and test, from intact files."""
        one, two, three, four = (_idx(folder / file.name) for file in self.files)
        return (one[:, None], two), (three[:, None], four)


@dataclass(frozen=True)
class Records:
    """CIFAR's kind: one .tar.gz file, of files of records: labels, of which the last is the class,
    then 1024 bytes each of red, green and blue."""

    title: str
    classes: int
    archive: str
    md5: str
    labels: int
    train: tuple[str, ...]
    test: str

    @property
    def files(self) -> list[PublishedFile]:
        """The archive."""
        return [PublishedFile(self.archive, self.md5, (_SITE + self.archive,))]

    def read(self, folder: Path) -> tuple[Labelled, Labelled]:
        """Train and test, from the intact archive; nothing is extracted to disk."""
        content = {}
        with tarfile.open(folder / self.archive) as archive:
            for member in archive:  # in one pass: going back would unzip it all again
                name = PurePosixPath(member.name).name
                file = archive.extractfile(member) if name in (*self.train, self.test) else None
                if file is not None:
                    content[name] = file.read()
        train = b"".join(content[name] for name in self.train)
        return self._labelled(train), self._labelled(content[self.test])

    def _labelled(self, content: bytes) -> Labelled:
        rows = np.frombuffer(content, np.uint8).reshape(-1, self.labels + 3 * 32 * 32)
        images = rows[:, self.labels :].reshape(-1, 3, 32, 32).copy()
        return torch.from_numpy(images), torch.from_numpy(rows[:, self.labels - 1].copy())


def _idx(path: Path) -> Tensor:
    """uint8 of a gzipped idx file: two zero bytes, the dtype's code (8), the number of dimensions,
    each dimension as a big-endian uint32, and the values."""
    with gzip.open(path) as file:
        content = file.read()
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape))
    return torch.from_numpy(values.reshape(shape.astype(np.int64)).copy())


MNIST_KIND: Mapping[str, Idx] = {
    "mnist": Idx("MNIST", MNIST),
    "fashion_mnist": Idx(
        "Fashion-MNIST",
        FashionMNIST,
        # For Debian's package, whose files differ from the published ones in the gzip header: with
        # name and time put back (seconds since 1970: 1504176606, and 1504176627 for t10k), each has
        # the MD5 that torchvision knows. So these are the MD5s of the published content.
        {
            "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
            "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
            "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
        },
    ),
    "kmnist": Idx("KMNIST", KMNIST),
}

_SITE = "https://www.cs.toronto.edu/~kriz/"
CIFAR: Mapping[str, Records] = {
    "cifar10": Records(
        title="CIFAR-10",
        classes=10,
        archive="cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        labels=1,
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test="test_batch.bin",
    ),
    "cifar100": Records(
        title="CIFAR-100",
        classes=100,
        archive="cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        labels=2,  # the superclass, and the class
        train=("train.bin",),
        test="test.bin",
    ),
}

_OTHERWISE = "or name a directory that has them: dataset.files=DIRECTORY"
_DEBIAN = {
    "fashion_mnist": " (/usr/share/datasets/fashion-mnist where Debian's package "
    "dataset-fashion-mnist is installed)"
}
