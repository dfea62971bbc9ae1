"""Every figure of a comparison group, from its tables and files alone.

    drawn = draw("gain_by_start", findings, Path("figures"))

Each name is that of a module of this package and of the function in it, from Findings to a
matplotlib figure and its caption, or NotDrawnError. Listing the names loads no matplotlib.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from analysis.compare.fair import Answer, NoAnswer
from analysis.compare.findings import Findings
from analysis.figures.drawn import Drawn

FIGURES = (
    *("gain_by_start", "heat_map", "accuracy_by_epoch", "ensemble"),
    *("schemes", "window_map", "calibration", "distance_maps", "path"),
)
"""In the order of the report."""


def draw(name: str, findings: Findings, folder: Path) -> Drawn:
    """Draw a figure and write it as PNG and PDF. NotDrawnError where these runs can't give it."""
    from analysis.figures.style import save
    from polyak.runs.style import style  # loads matplotlib

    figure_of = getattr(import_module(f"analysis.figures.{name}"), name)
    with style():
        figure, caption = figure_of(findings)
        title = f"{findings.group.title}: {findings.group.population}"
        return save(figure, title, caption, name, folder)


def draw_answers(answers: Sequence[Answer | NoAnswer], folder: Path) -> list[Drawn | None]:
    """Draw the answer of each budget; None where there is none."""
    from analysis.figures.answer import figure_of
    from analysis.figures.style import save
    from polyak.runs.style import style

    drawn: list[Drawn | None] = []
    for number, answer in enumerate(answers, start=1):
        if isinstance(answer, NoAnswer):
            drawn.append(None)
            continue
        name = "answer" if len(answers) == 1 else f"answer_{number}"
        with style():
            figure, caption = figure_of(answer)
            drawn.append(save(figure, answer.title, caption, name, folder))
    return drawn
