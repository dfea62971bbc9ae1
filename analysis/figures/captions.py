"""What several captions say."""

from collections.abc import Sequence

import pandas as pd

from analysis.compare.findings import Findings
from analysis.wording import count, n_of


def lines_and_bands(runs: pd.DataFrame, by: Sequence[str], bands: str = "bands") -> str:
    """What lines and bands mean, with n."""
    counts = runs.groupby(list(by)).size()
    if counts.max() == 1:
        return "Points: one seed (n = 1), hence no interval."
    return (
        f"Lines: mean over seeds ({n_of(counts)} per point); {bands}: pointwise 95 % t interval of "
        "that mean."
    )


def like_selected(findings: Findings) -> tuple[pd.DataFrame, str]:
    """The runs with the scheme and the end of the selected candidate's window, and a sentence for
    the caption where others are left out."""
    runs, selected = findings.group.runs, findings.selected
    kept = runs[(runs["end"] == selected["end"]) & (runs["scheme"] == selected["scheme"])]
    if not (left_out := len(runs) - len(kept)):
        return kept, ""
    return kept, (
        f"Windows up to epoch {selected['end'] - 1}, scheme: {selected['scheme']}; not "
        f"shown: {count(left_out, 'run')} of other windows or schemes."
    )
