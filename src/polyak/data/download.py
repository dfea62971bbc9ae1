"""Files as their publishers offer them: known by their MD5, downloaded once, under a lock.

    download.fetch("SVHN", folder, [PublishedFile("train_32x32.mat", "e26dedcc...", (url,))])

MD5 is what the publishers give. It tells a damaged or wrong file from the right one.
"""

import gzip
import hashlib
import http.client
import logging
import socket
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from torchvision.datasets.utils import check_integrity, download_url

from polyak.errors import DataError

log = logging.getLogger(__name__)

SILENT_SECONDS = 20
"""How long a server may be silent before it counts as out of reach."""

_FAILURES = (OSError, RuntimeError, http.client.HTTPException)


@dataclass(frozen=True)
class PublishedFile:
    """A file's name, its MD5 (hex), and where it can be had, the best address first.

    `content_md5` is that of what a .gz file unzips to, for a file that others compressed anew.
    """

    name: str
    md5: str
    urls: tuple[str, ...]
    content_md5: str | None = None

    def is_in(self, folder: Path) -> bool:
        """Whether `folder` has the file, and every byte of it is as published."""
        path = folder / self.name
        try:
            if check_integrity(str(path), self.md5):
                return True
            if self.content_md5 is None:
                return False
            with gzip.open(path) as content:
                return hashlib.file_digest(content, _md5).hexdigest() == self.content_md5
        except (OSError, EOFError, zlib.error):
            return False


def fetch(title: str, folder: Path, files: Sequence[PublishedFile], otherwise: str = "") -> None:
    """Have all files in `folder`, each intact, downloading what is not.

    Raises DataError that says what was tried, where the files can be put by hand, and what else to
    run; `otherwise` is one more line of that.
    """
    if not _missing(folder, files):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "download.lock"):
            for file in _missing(folder, files):  # another process may just have fetched them
                log.info("downloading %s to %s", file.urls[0], folder)
                with _timeout(SILENT_SECONDS):
                    _download(file, folder)
    except _FAILURES as error:
        raise DataError(
            f"{title} is not in {folder} and could not be downloaded ({error}).\n"
            f"Either put these files there by hand:\n{_wanted(folder, files)}\n{otherwise}"
            "or use data that needs no download: dataset=house_numbers (synthetic digits), or your "
            "own images: dataset=arrays"
        ) from error


def require(title: str, folder: Path, files: Sequence[PublishedFile]) -> None:
    """Nothing where `folder` has all files, each intact; else DataError that names the others."""
    if _missing(folder, files):
        raise DataError(
            f"dataset.files = {folder}: these files of {title} are not there, or are damaged:\n"
            f"{_wanted(folder, files)}\n"
            "allowed: a directory that has them, or null to download them to paths.datasets"
        )


def _missing(folder: Path, files: Sequence[PublishedFile]) -> list[PublishedFile]:
    return [file for file in files if not file.is_in(folder)]


def _wanted(folder: Path, files: Sequence[PublishedFile]) -> str:
    return "\n".join(f"    {file.urls[0]}  (MD5 {file.md5})" for file in _missing(folder, files))


def _download(file: PublishedFile, folder: Path) -> None:
    failures = []
    for url in file.urls:
        try:
            download_url(url, str(folder), file.name, file.md5)
            return
        except _FAILURES as error:
            failures.append(str(error) or type(error).__name__)
    raise RuntimeError("; ".join(failures))


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Sockets opened inside give up after `seconds` of silence; torchvision sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
