"""What several captions say."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.figures.subject import Subject


def how_many(counts: Iterable[int]) -> str:
    """The n of points or cells: "n = 3", or "n = 2 to 3"."""
    low, high = min(counts := list(counts)), max(counts)
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def band_caption(runs: pd.DataFrame, by: Sequence[str]) -> str:
    """What lines and bands mean, with n."""
    counts = runs.groupby(list(by)).size()
    if counts.max() == 1:
        return "Points: one training each (n = 1), so there is no interval."
    return (
        f"Lines: mean over trainings that differ in the seed ({how_many(counts)} a point); "
        "bands: 95 % t interval of that mean, each point by itself."
    )


def like_reported(subject: Subject) -> tuple[pd.DataFrame, str]:
    """The runs whose windows end with the reported one's last epoch, of its scheme, and a sentence
    for the caption where others are left out."""
    runs, focus = subject.facet.runs, subject.answer.focus
    kept = runs[(runs["end"] == focus["end"]) & (runs["scheme"] == focus["scheme"])]
    left_out = len(runs) - len(kept)
    text = (
        f"Only windows that end with epoch {focus['end'] - 1}, {focus['scheme']} average; "
        f"{left_out} runs of other windows or schemes are not in it."
    )
    return kept, text if left_out else ""
