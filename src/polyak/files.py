"""Files that are whole or absent: write to a temporary name, flush, rename.

with files.atomic(directory / "summary.json") as path:
    path.write_text(text)
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic(path: Path, *, read_only: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it is flushed to disk and renamed.

    The temporary name keeps the suffix, which tells matplotlib the format, and starts with a dot.
    On an exception, `path` is as it was and the temporary file is gone; after a kill the dot file
    may be left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    # Left by a killed process of the same id, it may be a link into the store: never write to it.
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if read_only:
            temporary.chmod(0o444)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused (ValueError)."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def link(source: Path, target: Path) -> None:
    """Make `target` a hard link to `source`, or a copy where links can't be made."""
    with atomic(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copy2(source, temporary)
