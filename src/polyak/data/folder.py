"""Your own image files, a directory per class.

    python src/train.py dataset=folder dataset.train=pets/train dataset.test=pets/test \
        'dataset.size=[32,32]'

with pets/train/cat/1.png, pets/train/dog/2.jpg, pets/test/cat/3.png and so on. The classes are
numbered in the order of their sorted names. The files are read once, into one file of pixels.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from polyak.data.dataset import Source, make_split
from polyak.data.image_files import ImageFile, read, scan
from polyak.errors import CheckpointError, DataError
from polyak.parameters import Count, Directory
from polyak.weights import checkpoint

log = logging.getLogger(__name__)

VERSION = 1
"""Of how the files are read; another one makes new files of pixels."""

PROBED = 32
"""How many files are read again to tell one set of files from another."""


def load(
    datasets: Directory,
    train: Directory,
    test: Directory,
    *,
    size: tuple[Count, Count] | None = None,
    channels: Literal[1, 3] = 3,
    name: str | None = None,
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> Source:
    """Both directories' images in the order of `scan`, as `read` gives them.

    `size` is (height, width); None: that of all images, which must be the same. A limit reads only
    so many files. The pixels are kept in `datasets`/folder. Raises DataError that names directory
    or file, and what is allowed.
    """
    train_files = scan(Path(train), "dataset.train")
    test_files = scan(Path(test), "dataset.test")
    classes = _classes(train_files)
    if only := sorted(set(classes) ^ set(_classes(test_files))):
        where = train if only[0] in classes else test
        raise DataError(
            f"dataset.train = {train}, dataset.test = {test}: class {only[0]!r} is in {where} "
            f"alone ({len(only)} such); allowed: the same classes in both"
        )
    cache = Path(datasets) / "folder"
    shape = None if size is None else (size[0], size[1])  # from a YAML file it comes as a list
    train_images = _cached(cache, "train", train_files[:limit_train], channels, shape)
    test_images = _cached(cache, "test", test_files[:limit_test], channels, shape)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise _mixed(test_files[0], test_images.shape[1:], train_files[0], train_images.shape[1:])
    return Source(
        name=name or _name(Path(train), Path(test)),
        origin=f"folder: {Path(train).name}, {Path(test).name}",
        synthetic=False,
        classes=len(classes),
        train=make_split(train_images, _labels(train_files, classes), limit_train, "train"),
        test=make_split(test_images, _labels(test_files, classes), limit_test, "test"),
    )


def _classes(files: Sequence[ImageFile]) -> list[str]:
    return sorted({file.class_name for file in files})


def _labels(files: Sequence[ImageFile], classes: Sequence[str]) -> Tensor:
    numbers = {name: number for number, name in enumerate(classes)}
    return torch.tensor([numbers[file.class_name] for file in files])


def _name(train: Path, test: Path) -> str:
    """pets, for pets/train and pets/test."""
    return (train.parent.name if train.parent == test.parent else "") or train.name


def _cached(
    folder: Path,
    part: str,
    files: Sequence[ImageFile],
    channels: Literal[1, 3],
    size: tuple[int, int] | None,
) -> Tensor:
    """Images uint8 [N, C, H, W] of the files, in their order; from disk where they were read once.

    Files are the same where names, bytes and times are, and all that is in the first of them:
    unpacked archives may have given other files the same names, sizes and times.
    """
    described = [[file.name, file.length, file.modified] for file in files]
    total = hashlib.sha256(json.dumps([VERSION, channels, size, described]).encode())
    for file in files[:PROBED]:
        total.update(hashlib.sha256(_content(file)).digest())
    path = folder / f"{part}_{len(files)}_{total.hexdigest()[:32]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        try:
            return checkpoint.tensor(
                path, "images", torch.uint8, (len(files), channels, *(size or (None, None)))
            )
        except CheckpointError:  # not there, or corrupted
            log.info("reading %s images into %s, once", f"{len(files):,}", path)
            images = _read(files, channels, size)
            checkpoint.save(path, {"images": images})
            return images


def _content(file: ImageFile) -> bytes:
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise DataError(f"{file.path}: can't be read ({error.strerror})") from error


def _read(
    files: Sequence[ImageFile], channels: Literal[1, 3], size: tuple[int, int] | None
) -> Tensor:
    first = read(files[0].path, channels, size)
    images = np.empty((len(files), *first.shape), np.uint8)
    for index, file in enumerate(files):
        pixels = read(file.path, channels, size)
        if pixels.shape != first.shape:
            raise _mixed(file, pixels.shape, files[0], first.shape)
        images[index] = pixels
    return torch.from_numpy(images)


def _mixed(
    one: ImageFile, shape: Sequence[int], other: ImageFile, other_shape: Sequence[int]
) -> DataError:
    sizes = [f"{height}x{width}" for _, height, width in (shape, other_shape)]
    return DataError(
        f"{one.path} is {sizes[0]} (height x width), but {other.path} {sizes[1]}; allowed: one "
        f"size, or dataset.size=[{other_shape[1]},{other_shape[2]}], to which all are resized"
    )
