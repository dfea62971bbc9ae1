"""What can happen to a file on a disk."""

from pathlib import Path


def truncate(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Change one bit near the end: of the data, so that the file still loads."""
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()
