"""SVHN's cropped digits (Format 2), read by torchvision; downloaded once, under a lock.

    python src/train.py dataset=svhn

Street View House Numbers: Netzer et al., "Reading Digits in Natural Images with Unsupervised
Feature Learning", NIPS workshop 2011, http://ufldl.stanford.edu/housenumbers. For non-commercial
use only. 73,257 training and 26,032 test images, 3x32x32, digits 0..9.
"""

from pathlib import Path

import torch
from torchvision.datasets import SVHN

from polyak.data import download
from polyak.data.dataset import Source, Split, make_split
from polyak.data.download import PublishedFile
from polyak.parameters import Count, Directory


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
    both = [SVHN.split_list[split] for split in ("train", "test")]
    download.fetch("SVHN", folder, [PublishedFile(name, md5, (url,)) for url, name, md5 in both])


def _read(folder: Path, split: str, limit: int | None) -> Split:
    data = SVHN(folder, split)
    return make_split(torch.from_numpy(data.data), torch.from_numpy(data.labels), limit, split)
