"""Files that are intact or absent: write to a temporary name, flush, rename.

with files.atomic(directory / "summary.json") as path:
    path.write_text(text)
"""

import hashlib
import json
import os
import re
import reprlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from polyak.errors import PolyakError


def shown(value: object, most: int = 60) -> str:
    """`value`, which came from outside, for a message: shortened to about `most` characters, all
    printable, so that no control character, colour code or lone surrogate of it reaches a terminal
    or a log."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = most
    try:
        text = short.repr(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python prints
        text = f"a very long {type(value).__name__}"
    return printable(text)


def printable(text: str) -> str:
    """`text` with every character that isn't printable escaped."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def is_regular(path: Path) -> bool:
    """Whether it is a file, and no pipe, whose opening would never end. False for any name that
    can't be one."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long
        return False


def check_regular(path: Path, error: type[Exception]) -> None:
    """Raise `error`, naming it, unless `path` is a file."""
    if not is_regular(path):
        what = "is no file; give a file" if path.exists() else "there is no such file"
        raise error(f"{path}: {what}")


def real_directory(path: Path) -> None:
    """Raise PolyakError where `path`, a folder inside a run or trajectory, is a link or a file:
    what is written there would land elsewhere. Links above it are the user's own choice."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise PolyakError(
            f"{path}: is a link or a file, where a folder is to be; move it away (a directory of "
            "outputs may itself be a link to another disk)"
        )


def no_link(path: Path) -> None:
    """Raise PolyakError where `path`, a file that is added to, is a link: what is added would land
    elsewhere."""
    if path.is_symlink():
        raise PolyakError(f"{path}: is a link; allowed: a file")


@contextmanager
def atomic(path: Path, *, read_only: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it is flushed to disk and renamed.

    The temporary name keeps the suffix, which tells matplotlib the format, and starts with a dot.
    On an exception, `path` is as it was and the temporary file is gone; after a kill the dot file
    may be left.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Left by a killed process of the same id, it may be a link into the store: don't write it.
        temporary.unlink(missing_ok=True)
        yield temporary
        _flush(temporary)
        if read_only:
            temporary.chmod(0o444)
        temporary.replace(path)
        later = _names_later.get()
        if later is None or later not in path.parents:
            _flush(path.parent)  # the name, too, survives a power cut
    except OSError as error:
        if error.filename is None:  # a full disk's error names no file
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


_names_later: ContextVar[Path | None] = ContextVar("names_later", default=None)


@contextmanager
def names_later(directory: Path | None) -> Iterator[None]:
    """Inside, in this thread, the names of files that `atomic` writes below `directory` are on disk
    after `flush_folders`: each folder is flushed once, not once per file. None: as they are written
    again."""
    token = _names_later.set(directory)
    try:
        yield
    finally:
        _names_later.reset(token)


def append(path: Path, content: bytes, *, at: int) -> int:
    """Write `content` into a file from byte `at` on, in the place of all that follows, and have it
    on disk; the file's new size. The bytes before stay, also after a kill or an exception.

    Raises OSError, naming the file, where it is a link, or the disk is full.
    """
    new = not path.exists()
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        with open(os.open(path, flags, 0o666), "wb") as file:
            file.truncate(at)
            file.seek(at)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if new:
            _flush(path.parent)
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise
    return at + len(content)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a new directory beside `path`; on success its files are flushed and it is renamed to
    `path`, which is not there yet. On an exception it is gone; after a kill, the directory, whose
    name begins with a dot, may be left."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.iterdir():
            _flush(file)
        _flush(temporary)
        temporary.rename(path)
        _flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")


_TEMPORARY = re.compile(r"\.(?P<stem>.+)\.\d+\.tmp(?P<suffix>\.\w+)?")


def remove(directory: Path, names: Sequence[str]) -> None:
    """Remove from `directory` the files that have one of the `names` (regular expressions over
    paths relative to it, "checkpoints/epoch_[0-9]+"), what `atomic` left of one half written when
    it was killed, and the folders of these names that are then empty. All else stays."""
    remove_half_written(directory, names)
    for name in names:
        folder, _, pattern = name.rpartition("/")
        for found in _folders(directory, folder):
            for path in list(found.iterdir()):
                if re.fullmatch(pattern, path.name) and (path.is_symlink() or path.is_file()):
                    path.unlink()
            while found != directory and not any(found.iterdir()):
                found.rmdir()
                found = found.parent


def remove_half_written(directory: Path, names: Sequence[str]) -> None:
    """Remove what `atomic` left half written of files with such `names`, as for `remove`."""
    for name in names:
        folder, _, pattern = name.rpartition("/")
        for found in _folders(directory, folder):
            for path in list(found.iterdir()):
                half = _TEMPORARY.fullmatch(path.name)
                if half and re.fullmatch(pattern, half["stem"] + (half["suffix"] or "")):
                    path.unlink()


def _folders(directory: Path, name: str) -> list[Path]:
    """The folders below `directory` whose names match, part by part; no links."""
    found = [directory] if directory.is_dir() else []
    for part in filter(None, name.split("/")):
        found = [
            path
            for folder in found
            for path in folder.iterdir()
            if re.fullmatch(part, path.name) and path.is_dir() and not path.is_symlink()
        ]
    return found


def sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folders(directory: Path) -> None:
    """Have the names of all files in and below `directory` on disk, where they survive a power
    cut."""
    for folder, _, _ in os.walk(directory):
        _flush(Path(folder))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused (ValueError)."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def link(source: Path, target: Path) -> None:
    """Make `target` a hard link to `source`, or a copy where links can't be made. A link's name is
    on disk after `flush_folders`."""
    temporary = _temporary(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.unlink(missing_ok=True)
        os.link(source, temporary)
        temporary.replace(target)
    except OSError:
        with atomic(target) as copied:
            shutil.copy2(source, copied)
    finally:
        temporary.unlink(missing_ok=True)  # two links to one file are not renamed
