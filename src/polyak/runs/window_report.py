"""The windows of a run as a table for a person, and as a map.

print(report(rows, spent, configured=range(10, 20)))
draw(directory / "figures" / "windows.png", title="...", rows=rows, configured=range(10, 20))
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from polyak.runs import figures, windows


def report(rows: Sequence[windows.Row], spent: windows.Spent, configured: range) -> str:
    """How many windows there are, the time `spent`, and for each split the accuracy in % of the
    selected window, of the run's own (`configured`), and on test of the best one, an oracle."""
    lines = [f"{len({(row.start, row.end) for row in rows})} windows in windows.csv"]
    if total := spent.averaging + spent.evaluation:
        lines[0] += (
            f"; {total:.1f} s now, of which averaging {100 * spent.averaging / total:.0f} %, "
            f"evaluation {100 * spent.evaluation / total:.0f} %"
        )
    named: dict[str, tuple[int, int] | None] = {
        "selected on validation": windows.selected(rows),
        "the run's own": (configured.start, configured.stop),
    }
    for split in sorted({row.split for row in rows}):
        accuracies = {
            (row.start, row.end): 100 * row.accuracy for row in rows if row.split == split
        }
        best = max(accuracies, key=lambda window: accuracies[window])
        oracle = {"best (an oracle)": best} if split == "test" else {}
        for what, window in (named | oracle).items():
            if window in accuracies:
                epochs = f"epochs {window[0]}..{window[1] - 1}"
                lines.append(f"{split:>10}  {accuracies[window]:6.2f} %  {epochs}, {what}")
    return "\n".join(lines)


def draw(path: Path, *, title: str, rows: Sequence[windows.Row], configured: range) -> None:
    """Draw the map of windows, with the selected one and the run's own (`configured`) marked."""
    figures.windows(
        path,
        title=title,
        table=pd.DataFrame(map(asdict, rows)),
        selected=windows.selected(rows),
        configured=(configured.start, configured.stop),
    )
