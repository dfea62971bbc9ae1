"""SVHN's cropped digits (Format 2), read by torchvision; downloaded once, under a lock.

    python src/train.py dataset=svhn

Street View House Numbers: Netzer et al., "Reading Digits in Natural Images with Unsupervised
Feature Learning", NIPS workshop 2011, http://ufldl.stanford.edu/housenumbers. For non-commercial
use only. 73,257 training and 26,032 test images, 3x32x32, digits 0..9.
"""

import http.client
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from torchvision.datasets import SVHN
from torchvision.datasets.utils import check_integrity

from polyak.data.dataset import Source, Split, make_split
from polyak.errors import DataError
from polyak.parameters import Count, Directory

log = logging.getLogger(__name__)

SILENT_SECONDS = 20
"""How long the server may be silent before it counts as out of reach."""


def load(
    datasets: Directory, *, limit_train: Count | None = None, limit_test: Count | None = None
) -> Source:
    """Read the two files in `datasets`/svhn, downloading what is missing or corrupted.

    Raises DataError that says what was tried, where the files can be put by hand, and what else
    to run.
    """
    folder = Path(datasets) / "svhn"
    fetch(folder)
    return Source(
        name="SVHN",
        origin=f"SVHN Format 2, MD5 {SVHN.split_list['train'][2]}, {SVHN.split_list['test'][2]}",
        synthetic=False,
        classes=10,
        train=_read(folder, "train", limit_train),
        test=_read(folder, "test", limit_test),
    )


def fetch(folder: Path) -> None:
    """Have both files in `folder` with the right MD5, downloading what is not; else DataError."""
    if not _missing(folder):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "download.lock"):
            for split in _missing(folder):  # another process may just have fetched them
                log.info("downloading %s to %s", SVHN.split_list[split][0], folder)
                with _timeout(SILENT_SECONDS):
                    SVHN(folder, split, download=True)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise DataError(_unavailable(folder, error)) from error


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Sockets opened inside give up after `seconds` of silence; torchvision sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _missing(folder: Path) -> list[str]:
    return [
        split
        for split in ("train", "test")
        if not check_integrity(str(folder / SVHN.split_list[split][1]), SVHN.split_list[split][2])
    ]


def _read(folder: Path, split: str, limit: int | None) -> Split:
    data = SVHN(folder, split)
    return make_split(torch.from_numpy(data.data), torch.from_numpy(data.labels), limit, split)


def _unavailable(folder: Path, error: Exception) -> str:
    wanted = "\n".join(
        f"    {SVHN.split_list[split][0]}  (MD5 {SVHN.split_list[split][2]})"
        for split in _missing(folder)
    )
    return (
        f"SVHN is not in {folder} and could not be downloaded ({error}).\n"
        f"Either put these files there by hand:\n{wanted}\n"
        "or use data that needs no download: dataset=house_numbers (synthetic digits), or your "
        "own images: dataset=arrays"
    )
