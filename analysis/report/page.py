"""One self-contained HTML file: what was run, the answer, tables, figures, failures, commands.

write(Path("analysis/report.html"), loaded, sections, arguments)
"""

import base64
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from analysis.compare import image_tests
from analysis.compare.findings import Answer
from analysis.read.load import STATUSES, Loaded
from analysis.report import tables
from analysis.report.section import Section
from analysis.report.sentences import points
from polyak import files

MOST_COMMANDS = 20
FULL_WIDTH = 1400
"""Pixels of a figure that is as wide as the page: 7 inches (analysis.figures.style)."""


def write(
    path: Path, loaded: Loaded, sections: Sequence[Section], arguments: Sequence[str]
) -> None:
    """Write the report. `arguments`: those of the command that made it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    commands = [shlex.join(["python", "src/train.py", *command]) for command in loaded.commands]
    page = environment.get_template("report.html.j2").render(
        title=_title(sections),
        counts=counts(loaded),
        notes=loaded.notes,
        sections=[_shown(section) for section in sections],
        lacking=tables.lacking(loaded.runs),
        commits=sorted({commit for s in sections for commit in s.facet.runs["commit"].dropna()}),
        commands=[
            *commands[:MOST_COMMANDS],
            *_beside(sections),
            shlex.join(["python", "-m", "analysis", *arguments]),
        ],
        more_commands=max(0, len(commands) - MOST_COMMANDS),
    )
    with files.atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def _beside(sections: Sequence[Section]) -> list[str]:
    """The commands that left files beside the runs which figures are drawn from."""
    return [
        shlex.join(["python", f"src/{name}.py", run])
        for section in sections
        for run in section.facet.runs["directory"]
        for name in ("windows", "distances")
        if (Path(run) / f"{name}.csv").exists()
    ][:MOST_COMMANDS]


def _title(sections: Sequence[Section]) -> str:
    if len(sections) == 1:
        return sections[0].facet.title
    names = dict.fromkeys(section.facet.runs["dataset"].iloc[0] for section in sections)
    return f"{', '.join(names)}: {len(sections)} settings, each by itself"


def counts(loaded: Loaded) -> str:
    """How many runs there are of each status."""
    found = loaded.runs["status"].value_counts().to_dict()
    shown = ", ".join(f"{found[status]:,} {status}" for status in STATUSES if status in found)
    return f"{len(loaded.runs):,} runs: {shown}"


def _shown(section: Section) -> dict[str, Any]:
    facet, answer = section.facet, section.answer
    return {
        "facet": facet,
        "verdict": section.verdict,
        "sentences": section.sentences,
        "notes": [*facet.notes, *section.notes],
        "beside": tables.beside(facet, answer),
        "trainings": tables.trainings(facet, answer, section.tests, section.saved),
        "candidates": tables.candidates(answer),
        "candidate_count": len(answer.candidates),
        "figures": [
            {
                "caption": figure.caption,
                "data": base64.b64encode(png := figure.png.read_bytes()).decode(),
                # A PNG's width is in its bytes 16 to 19: figures keep their proportions.
                "width": min(100, round(100 * int.from_bytes(png[16:20], "big") / FULL_WIDTH)),
            }
            for figure in section.drawn
        ],
        "not_drawn": section.not_drawn,
        "ran": tables.ran(facet),
        "bootstrap": _bootstrap(answer),
        "images": _images(section.tests),
        "saved": _saved(section),
    }


def _images(tests: pd.DataFrame) -> str:
    if tests.empty:
        return "No training's predictions can be read, so there is no test by images."
    number, smallest = f"{tests['images'].iloc[0]:,} images", image_tests.detectable(tests)
    if smallest is None:
        return (
            f"Average and last checkpoint differ on so few of the {number} that no difference of "
            "their accuracies could be detected."
        )
    return (
        f"On {number}, a difference of {100 * smallest:.2f} points is detected with 80 % power, "
        "with as many of them answered differently as here."
    )


def _bootstrap(answer: Answer) -> str:
    if answer.bootstrap is None:
        return ""
    low, high = answer.bootstrap
    return f"BCa bootstrap interval of the answer: {points(low)} to {points(high)} points."


def _saved(section: Section) -> str:
    if not section.saved:
        focus, runs = section.answer.focus, section.answer.runs(section.facet)
        options = f"--starts {focus['start']} --ends {focus['start'] + 1}:{focus['end'] + 1}"
        commands = [
            f"python src/windows.py {shlex.quote(run)} {options}" for run in runs["directory"]
        ]
        return (
            "How many epochs averaging saves is not known: it needs the average after every epoch "
            f"of the window, for each of these runs: {'; '.join(commands)}"
        )
    return (
        "Epochs saved: how many epochs before the last one the average was already as accurate on "
        "test as the last checkpoint, and stayed so; none: it ended below."
    )
