"""What comes of drawing a figure; without importing matplotlib."""

from dataclasses import dataclass
from pathlib import Path


class NotDrawnError(Exception):
    """A figure that these runs can't give; the message names what it needs."""


@dataclass(frozen=True)
class Drawn:
    """A figure's name and files, and the caption, which is also in it."""

    name: str
    caption: str
    png: Path
    pdf: Path
