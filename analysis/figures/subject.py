"""What every figure is drawn from, and what comes of it; without importing matplotlib."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.compare.findings import Answer
from analysis.compare.groups import Facet


class NotDrawnError(Exception):
    """A figure that these runs can't give; the message says what would."""


@dataclass(frozen=True)
class Subject:
    """What every figure is drawn from: runs that may be compared, what they say, and the averages
    of further windows (`analysis.windows`)."""

    facet: Facet
    answer: Answer
    windows: pd.DataFrame


@dataclass(frozen=True)
class Drawn:
    """A figure's name and files, and the caption, which is also in it."""

    name: str
    caption: str
    png: Path
    pdf: Path
