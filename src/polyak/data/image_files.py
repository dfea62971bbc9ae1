"""Directories of image files, one per class: what is in them, and one file as plain pixels.

files = scan(Path("pets/train"), "dataset.train")
pixels = read(files[0].path, channels=3, size=(32, 32))  # uint8 [3, 32, 32]
"""

import hashlib
import logging
import os
import stat
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from polyak.errors import DataError

log = logging.getLogger(__name__)

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Of Pillow's, those that are pixels; EPS, say, would start a program."""

_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
"""Names in lower case of what file managers leave; all that begins with a dot is skipped, too."""


@dataclass(frozen=True)
class ImageFile:
    """`name` is relative to the directory of the classes, with /: "cat/001.png"."""

    name: str
    path: Path
    length: int  # bytes
    modified: int  # nanoseconds since 1970

    @property
    def class_name(self) -> str:
        """The name of its class's directory."""
        return self.name.partition("/")[0]

    @property
    def place(self) -> bytes:
        """What it is ordered by: the SHA-256 of its name."""
        return hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).digest()


def scan(root: Path, key: str) -> list[ImageFile]:
    """All files in the class directories of `root`, which is the configuration's value at `key`,
    and in the directories in these.

    They are in the order of the SHA-256 of their names. In that of the names, the first images,
    which a limit takes, would be of one class, and so would be the blocks that a validation split
    takes. The hash shuffles them the same on every machine, and a new file moves no other.

    Links are followed and hidden files skipped. Raises DataError for fewer than two classes, a
    class without files, names that are one on some file systems, a directory that is in itself by
    way of a link, and what can't be read.
    """
    if not root.is_dir():
        raise DataError(f"{key} = {root}: there is no such directory")
    found = list(_entries(root))
    classes = [entry for entry in found if stat.S_ISDIR(entry[2].st_mode)]
    if beside := [path.name for _, path, status in found if not stat.S_ISDIR(status.st_mode)]:
        log.warning("%s: not read, as it is in no class's directory: %s", root, ", ".join(beside))
    if len(classes) < 2:
        names = ", ".join(name for name, _, _ in classes) or "none"
        raise DataError(f"{root}: directories: {names}; allowed: one per class, two or more")
    around = frozenset(_identity(folder.stat()) for folder in (root, *root.resolve().parents))
    files = []
    for name, path, status in classes:
        of_class = list(_below(path, name, status, around))
        if not of_class:
            raise DataError(f"{path}: no file; allowed: at least one image per class")
        files += of_class
    return sorted(files, key=lambda file: file.place)


def _below(
    folder: Path, name: str, status: os.stat_result, around: frozenset[tuple[int, int]]
) -> Iterator[ImageFile]:
    """The files of a directory and of those in it; `around` says which directories it is in."""
    if _identity(status) in around:
        raise DataError(f"{folder}: a link to a directory that it is in itself; remove it")
    for part, path, found in _entries(folder):
        if stat.S_ISDIR(found.st_mode):
            yield from _below(path, f"{name}/{part}", found, around | {_identity(status)})
        elif stat.S_ISREG(found.st_mode):
            yield ImageFile(f"{name}/{part}", path, found.st_size, found.st_mtime_ns)
        else:
            raise DataError(f"{path}: neither a file nor a directory; remove it")


def _entries(folder: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """What is in a directory and no clutter, sorted: names (composed, NFC, which is how some
    systems store them and others don't), paths, and the status of what links lead to."""
    names: dict[str, str] = {}
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: can't be read ({error.strerror})") from error
    for entry in found:
        if entry.name.startswith(".") or entry.name.lower() in _CLUTTER:
            continue
        name = unicodedata.normalize("NFC", entry.name)
        other = names.setdefault(name.lower(), entry.name)
        if other != entry.name:
            raise DataError(
                f"{folder}: {other!r} and {entry.name!r} differ in capitals or accents' spelling "
                "alone, and are one name on other file systems; rename one"
            )
        try:
            yield name, Path(entry.path), entry.stat()
        except OSError as error:
            raise DataError(f"{entry.path}: can't be read ({error.strerror})") from error


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def read(
    path: Path, channels: Literal[1, 3], size: tuple[int, int] | None
) -> npt.NDArray[np.uint8]:
    """One image, uint8 [channels, H, W]: RGB or grey, resized to `size` (height, width) where it is
    given, bilinear with antialiasing, its proportions not kept.

    Transparency is dropped, and of 16 bits the upper 8 are kept. A photo's EXIF orientation is not
    applied, as torchvision's ImageFolder does not. Raises DataError that names the file for what is
    no intact image of one of `FORMATS`, has several frames, or more pixels than Pillow's limit.
    """
    try:
        # The warning comes at half the number of pixels at which Pillow refuses.
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(path, formats=FORMATS) as image,
        ):
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":  # a camera's JPEG with its preview
                raise ValueError(f"it has {frames} frames")
            image.load()
            plain = _plain(image).convert("L" if channels == 1 else "RGB")
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: no image; allowed: {', '.join(FORMATS)}; remove it, or let its name begin "
            "with a dot"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{path}: too large to be read safely ({error}); make it smaller or remove it"
        ) from error
    except Exception as error:  # damaged files make Pillow raise a dozen types
        raise DataError(
            f"{path}: not an intact image of one frame ({error}); replace or remove it"
        ) from error
    if size is not None and plain.size != size[::-1]:
        plain = plain.resize(size[::-1], Image.Resampling.BILINEAR)
    pixels = np.asarray(plain)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _plain(image: Image.Image) -> Image.Image:
    """The image in a mode that Pillow converts to RGB and grey as one would expect."""
    if image.mode == "F":
        raise ValueError("its pixels are floats, which have no one conversion to 8 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):  # Pillow would clip these at 255
        values = np.asarray(image)
        if values.min() < 0 or values.max() >= 2**16:
            raise ValueError("its pixels have more than 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8))
    return image.convert("RGBA") if "transparency" in image.info else image
