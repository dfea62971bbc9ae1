"""Every figure, from tables and files alone.

    drawn, not_drawn = draw_all(("gain_by_start",), findings, Path("figures"))

Each name is that of a module of this package and of the function in it: from the Answer of a budget
(`OF_ANSWER`), from all of them (`ACROSS`) or else from the Findings of a comparison group, to a
matplotlib figure and its caption, or NotDrawnError. Listing the names loads no matplotlib.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from analysis.compare.across import Across
from analysis.compare.baselines import without_logits
from analysis.compare.fair import Answer
from analysis.compare.findings import Findings
from analysis.figures.drawn import Drawn, NotDrawnError
from polyak import files
from polyak.evaluation.metric import ACCURACY

OF_ANSWER = ("answer", "rate_sensitivity", "selection")
ACROSS = ("forest",)
FIGURES = (
    *(*OF_ANSWER, *ACROSS),
    *("gain_by_start", "heat_map", "accuracy_by_epoch", "ensemble"),
    *("schemes", "window_map", "calibration", "distance_maps", "path", "widths"),
)
"""In the order of the report."""
OF_LOGITS = ("ensemble", "window_map", "calibration", "path", "widths")
"""Those that show what is evaluated from logits."""


def of_group() -> list[str]:
    """The figures of a comparison group."""
    return [name for name in FIGURES if name not in (*OF_ANSWER, *ACROSS)]


def draw(
    name: str,
    given: Findings | Answer | Across,
    folder: Path,
    number: int | None = None,
    width: float | None = None,
) -> Drawn:
    """Draw a figure and write it as PNG and PDF, `width` inches wide; of several budgets' figures,
    each has its `number`. NotDrawnError where these runs can't give it."""
    from analysis.figures.style import save
    from polyak.runs.style import style  # loads matplotlib

    if isinstance(given, Findings) and (why := _without_logits(name, given)):
        raise NotDrawnError(why)
    figure_of = getattr(import_module(f"analysis.figures.{name}"), name)
    file = name if number is None else f"{name}_{number}"
    with style():
        figure, caption = figure_of(given)
        return save(figure, _title(given), caption, file, folder, width)


def draw_all(
    names: Sequence[str],
    given: Findings | Answer | Across,
    folder: Path,
    number: int | None = None,
    width: float | None = None,
) -> tuple[list[Drawn], list[tuple[str, str]]]:
    """Those that could be drawn, and name and reason of the others."""
    drawn, not_drawn = [], []
    for name in names:
        try:
            drawn.append(draw(name, given, folder, number, width))
        except NotDrawnError as error:
            not_drawn.append((name, str(error)))
    return drawn, not_drawn


def clear(names: Sequence[str], folder: Path) -> None:
    """Remove these figures, of an analysis before, which may have had other budgets and groups."""
    pattern = rf"({'|'.join(names)})(_[0-9]+)?\.(png|pdf)"
    files.remove(folder, [pattern, f"[0-9]+_.*/{pattern}"])


def _without_logits(name: str, findings: Findings) -> str:
    """Why it isn't drawn; of runs that are compared by accuracy, the ensemble alone can lack."""
    needs = ("ensemble",) if findings.metric == ACCURACY else OF_LOGITS
    return without_logits(findings.group.runs) if name in needs else ""


def _title(given: Findings | Answer | Across) -> str:
    if isinstance(given, Findings):
        return f"{given.group.title}: {given.group.population}"
    return given.title
