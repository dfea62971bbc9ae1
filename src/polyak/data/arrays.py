"""Anyone's images from two .npz files.

    python src/train.py dataset=arrays dataset.train=train.npz dataset.test=test.npz

Each file holds `images` uint8 [N, H, W, C] or [N, H, W] and `labels` integers [N]; the training
file may hold an array that says which images belong together. Nothing is unpickled.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.npyio import NpzFile
from torch import Tensor

from polyak.data.dataset import Source, make_split
from polyak.errors import DataError
from polyak.parameters import Count, File

DEFLATE = 1032
"""How many times smaller it makes a file at most."""
PART = 1 << 20
"""Bytes of images that are decompressed at a time."""
DEFAULT_GROUPS = "source_image"

Array = npt.NDArray[np.generic]


def load(
    train: File,
    test: File,
    *,
    name: str | None = None,
    groups: str | None = "auto",
    classes: Count | None = None,
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> Source:
    """Read both files. Raises DataError naming the file and the array that is wrong.

    `groups` names an array in `train`; "auto" is "source_image" where that is there, None none.
    """
    train_images, train_labels, together = _read(Path(train), groups)
    test_images, test_labels, _ = _read(Path(test), None)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{test}: images are {list(test_images.shape[1:])} (C, H, W), but "
            f"{list(train_images.shape[1:])} in {train}"
        )
    if classes is None:
        classes = 1 + int(max(train_labels.max(), test_labels.max()))
        if classes > len(train_labels):
            raise DataError(
                f"{train}: labels go up to {classes - 1} with {len(train_labels)} images; "
                "number the classes 0, 1, 2, ..., or say how many there are: dataset.classes"
            )
    for path, labels in ((train, train_labels), (test, test_labels)):
        if labels.max() >= classes:
            raise DataError(
                f"{path}: labels go up to {labels.max()}; "
                f"allowed: below dataset.classes = {classes}"
            )
    return Source(
        name=name or Path(train).name,
        origin=f"arrays: {Path(train).name}, {Path(test).name}",
        synthetic=False,
        classes=classes,
        train=make_split(train_images, train_labels, limit_train, "train"),
        test=make_split(test_images, test_labels, limit_test, "test"),
        groups=None if together is None else together[:limit_train],
    )


def _read(path: Path, groups: str | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Images uint8 [N, C, H, W], labels int64 [N], group numbers int64 [N] or None."""
    try:
        file = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except Exception as error:  # corrupted files make zipfile and numpy raise a dozen types
        raise DataError(f"{path}: not an intact .npz file") from error
    if not isinstance(file, NpzFile):
        raise DataError(f"{path}: one .npy array; allowed: a .npz file of images and labels")
    with file:
        images, labels = _array(file, "images", path, _images), _array(file, "labels", path)
        if groups == "auto":
            groups = DEFAULT_GROUPS if DEFAULT_GROUPS in file.files else None
        together = None if groups is None else _array(file, groups, path)
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape:
        raise DataError(
            f"{path}: images are {images.dtype} {list(images.shape)}; "
            "allowed: uint8 [N, H, W, C] or [N, H, W], not empty"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != images.shape[:1]:
        raise DataError(
            f"{path}: labels are {labels.dtype} {list(labels.shape)}; "
            f"allowed: integers [{len(images)}], one for each image"
        )
    labels = labels.astype(np.int64)  # an unsigned label that has no place there turns negative
    if labels.min() < 0:
        raise DataError(f"{path}: labels go down to {labels.min()}; allowed: 0, 1, 2, ...")
    if together is not None and together.shape != labels.shape:
        raise DataError(f"{path}: {groups} is {list(together.shape)}; allowed: [{len(labels)}]")
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[1] <= 4 < images.shape[3]:
        raise DataError(
            f"{path}: images are {list(images.shape)}, which looks like [N, C, H, W]; "
            "allowed: [N, H, W, C] (images.transpose(0, 2, 3, 1))"
        )
    numbers = None if together is None else np.unique(together, return_inverse=True)[1]
    return (
        torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))),
        torch.from_numpy(labels),
        None if numbers is None else torch.from_numpy(numbers.astype(np.int64)),
    )


def _array(
    file: NpzFile,
    name: str | None,
    path: Path,
    read: Callable[[NpzFile, str], Array] = NpzFile.__getitem__,
) -> Array:
    if name not in file.files:
        raise DataError(f"{path}: there is no array {name!r}, only {sorted(file.files)}")
    try:
        archive = file.zip
        if archive is not None and f"{name}.npy" in archive.namelist():
            _check_size(archive, f"{name}.npy")
        array = read(file, name)
    except Exception as error:  # as above; and an array of objects, which are pickles
        raise DataError(f"{path}: {name} can't be read as a plain array ({error})") from error
    if not isinstance(array, np.ndarray):  # bytes, where the member is no .npy file
        raise DataError(f"{path}: {name} is not an array")
    return array


def _images(file: NpzFile, name: str) -> Array:
    """Those [N, H, W, C], read a part at a time into memory that has the channels first; whatever
    else is there, as numpy reads it."""
    archive, member = file.zip, f"{name}.npy"
    if archive is None or member not in archive.namelist():
        return file[name]
    with archive.open(member) as stream:
        shape, fortran, dtype = _header(stream)
        if dtype != np.uint8 or fortran or len(shape) != 4 or 0 in shape:
            return file[name]
        count, height, width, channels = shape
        images = np.empty((count, channels, height, width), np.uint8).transpose(0, 2, 3, 1)
        each = max(1, PART // images[0].size)
        for first in range(0, count, each):
            part = images[first : first + each]
            part[...] = np.frombuffer(stream.read(part.size), np.uint8).reshape(part.shape)
        stream.read(1)  # at the end, the checksum is looked at
    return images


def _check_size(archive: ZipFile, name: str) -> None:
    """Raise ValueError where a .npy file is not as long as its header says, or longer than it can
    have been before it was compressed: numpy would allocate that first."""
    member = archive.getinfo(name)
    with archive.open(member) as stream:
        shape, _, dtype = _header(stream)
        needed = stream.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:  # which numpy refuses
        return
    if member.file_size != needed or needed > DEFLATE * (member.compress_size + 1):
        raise ValueError(f"{member.file_size:,} bytes for {dtype} {list(shape)}")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and dtype."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    return read(stream)
