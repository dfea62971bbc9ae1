"""Anyone's images from two .npz files.

    python src/train.py dataset=arrays dataset.train=train.npz dataset.test=test.npz

Each file holds `images` uint8 [N, H, W, C] or [N, H, W] and `labels` integers [N]; the training
file may hold an array that says which images belong together. Nothing is unpickled.
"""

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from polyak.data.dataset import Source, make_split
from polyak.errors import DataError

Array = npt.NDArray[np.generic]


def load(
    train: str,
    test: str,
    *,
    name: str | None = None,
    groups: str | None = "source_image",
    classes: int | None = None,
    limit_train: int | None = None,
    limit_test: int | None = None,
) -> Source:
    """Read both files. Raises DataError naming the file and the array that is wrong."""
    train_images, train_labels, together = _read(Path(train), groups)
    test_images, test_labels, _ = _read(Path(test), None)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{test}: images are {list(test_images.shape[1:])} (C, H, W), but "
            f"{list(train_images.shape[1:])} in {train}"
        )
    largest = int(max(train_labels.max(), test_labels.max()))
    if classes is not None and largest >= classes:
        raise DataError(f"dataset.classes = {classes}: the files have labels up to {largest}")
    return Source(
        name=name or Path(train).name,
        origin=f"arrays: {Path(train).name}, {Path(test).name}",
        synthetic=False,
        classes=classes or largest + 1,
        train=make_split(train_images, train_labels, limit_train),
        test=make_split(test_images, test_labels, limit_test),
        groups=None if together is None else together[:limit_train],
    )


def _read(path: Path, groups: str | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Images uint8 [N, C, H, W], labels int64 [N], group numbers int64 [N] or None."""
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = _array(file, "images", path), _array(file, "labels", path)
            together = _array(file, groups, path) if groups in file.files else None
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, AttributeError) as error:
        raise DataError(f"{path}: not a whole .npz file of plain arrays ({error})") from error
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
    if labels.min() < 0:
        raise DataError(f"{path}: labels go down to {labels.min()}; allowed: 0, 1, 2, ...")
    if together is not None and together.shape != labels.shape:
        raise DataError(f"{path}: {groups} is {list(together.shape)}; allowed: [{len(labels)}]")
    if images.ndim == 3:
        images = images[..., None]
    numbers = None if together is None else np.unique(together, return_inverse=True)[1]
    return (
        torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))),
        torch.from_numpy(labels.astype(np.int64)),
        None if numbers is None else torch.from_numpy(numbers.astype(np.int64)),
    )


def _array(file: "np.lib.npyio.NpzFile", name: str | None, path: Path) -> Array:
    if name not in file.files:
        raise DataError(f"{path}: there is no array {name!r}, only {sorted(file.files)}")
    array: Array = file[name]
    return array
