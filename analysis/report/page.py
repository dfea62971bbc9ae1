"""One self-contained HTML file: results, tables, figures, runs without results, commands.

write(Path("analysis/report.html"), loaded, answers, together, sections, arguments)
"""

import base64
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from analysis.compare import image_tests
from analysis.compare.baselines import BASELINES
from analysis.compare.fair import Answer
from analysis.compare.findings import Findings
from analysis.compare.groups import Group
from analysis.figures.drawn import Drawn
from analysis.read.load import Loaded
from analysis.read.window_table import window_table
from analysis.report import across, answers, tables
from analysis.report.confirmation import confirmation
from analysis.report.section import Answered, Section, Together, WithFigures
from analysis.report.sentences import headline, sentences
from analysis.units import amount, difference, explained, plural
from analysis.wording import count
from polyak import files
from polyak.evaluation.metric import ACCURACY, KNOWN

MOST_COMMANDS = 20
FULL_WIDTH = 1400
"""Pixels of a figure that is as wide as the page: 7 inches (analysis.figures.style)."""


def write(
    path: Path,
    loaded: Loaded,
    given: Sequence[Answered],
    all_together: Together,
    sections: Sequence[Section],
    arguments: Sequence[str],
) -> None:
    """Write the report. `arguments`: those of the command that made it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    groups = [section.findings.group for section in sections]
    commands = [shlex.join(["python", "src/train.py", *command]) for command in loaded.commands]
    page = environment.get_template("report.html.j2").render(
        title=_title(groups),
        units=_units(groups, given),
        by_accuracy=any(group.metric == ACCURACY for group in groups),
        scores=plural(groups[0].metric),
        counts=tables.counts(loaded),
        notes=loaded.notes,
        answers=[_answered(one) for one in given],
        across=_across(all_together),
        sections=[_shown(section) for section in sections],
        without_results=tables.without_results(loaded.runs),
        commits=sorted({commit for group in groups for commit in group.runs["commit"].dropna()}),
        commands=[
            *commands[:MOST_COMMANDS],
            *_further_commands(groups),
            shlex.join(["python", "-m", "analysis", *arguments]),
        ],
        more_commands=max(0, len(commands) - MOST_COMMANDS),
    )
    with files.atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def _further_commands(groups: Sequence[Group]) -> list[str]:
    """The commands that wrote windows.csv, widths.csv, path.csv and distances.csv beside the runs;
    of windows, those that are there."""
    found: dict[str, None] = {}
    for group in groups:
        for run in group.runs["directory"]:
            for name in ("windows", "widths", "path", "distances"):
                if (Path(run) / f"{name}.csv").exists():
                    options = _of_windows(group, run) if name == "windows" else []
                    found[shlex.join(["python", "-m", "polyak", name, run, *options])] = None
    return list(found)[:MOST_COMMANDS]


def _of_windows(group: Group, run: str) -> list[str]:
    """The options that give the windows in a run's windows.csv."""
    runs = group.runs[group.runs["directory"] == run]
    table, _ = window_table(runs, group.epochs.iloc[:0])
    options = []
    for name in ("start", "end"):
        numbers = sorted(set(table[name]))
        text = ",".join(map(str, numbers))
        if numbers and numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 1:
            text = f"{numbers[0]}:{numbers[-1] + 1}"
        options += [f"--{name}s", text] if text else []
    return options


def _units(groups: Sequence[Group], given: Sequence[Answered]) -> str:
    """How the groups' metrics are shown, and those that an answer is by."""
    named = [one.answer.metric for one in given if isinstance(one.answer, Answer)]
    others = [metric for metric in named if metric.name not in KNOWN]
    return explained([*(group.metric for group in groups), *others])


def _title(groups: Sequence[Group]) -> str:
    if len(groups) == 1:
        return groups[0].title
    names = dict.fromkeys(group.runs["dataset"].iloc[0] for group in groups)
    return f"{', '.join(names)}: {len(groups)} comparison groups"


def _answered(given: Answered) -> dict[str, Any]:
    answer = given.answer
    return {
        "title": answer.title,
        "headline": answers.headline(answer),
        "sentences": [*answers.sentences(answer), *confirmation(answer)],
        "pairs": answers.pairs(answer) if isinstance(answer, Answer) else None,
        **_figures(given),
    }


def _across(given: Together) -> dict[str, Any] | None:
    if given.across is None:
        return None
    return {
        "title": given.across.title,
        "headline": across.headline(given.across),
        "sentences": across.sentences(given.across),
        "table": across.table(given.across),
        **_figures(given),
    }


def _shown(section: Section) -> dict[str, Any]:
    findings = section.findings
    return {
        "group": findings.group,
        "headline": headline(findings),
        "sentences": sentences(findings),
        "notes": section.notes,
        "baselines": tables.baselines(findings),
        "last": BASELINES[findings.last],
        "baseline": BASELINES[findings.baseline],
        "trajectories": tables.trajectories(findings),
        "candidates": tables.candidates(findings),
        "candidate_count": len(findings.candidates),
        "adjusted": _adjusted(findings),
        **_figures(section),
        "configuration": tables.configuration(findings.group),
        "bootstrap": _bootstrap(findings),
        "images": _images(findings),
    }


def _figures(given: WithFigures) -> dict[str, Any]:
    return {"figures": list(map(_embedded, given.drawn)), "not_drawn": given.not_drawn}


def _embedded(figure: Drawn) -> dict[str, Any]:
    png = figure.png.read_bytes()
    # A PNG's width is in its bytes 16 to 19: figures keep their proportions.
    width = min(100, round(100 * int.from_bytes(png[16:20], "big") / FULL_WIDTH))
    return {"caption": figure.caption, "data": base64.b64encode(png).decode(), "width": width}


def _images(findings: Findings) -> str:
    if findings.metric != ACCURACY:  # a note says why
        return ""
    tests = findings.image_tests
    if tests.empty:
        return "No predictions can be read, so there is no image-level test."
    images = f"{tests['images'].iloc[0]:,} images"
    if (effect := image_tests.minimum_detectable_effect(tests)) is None:
        return (
            f"Average and checkpoint differ on so few of the {images} that no difference of "
            "their accuracies is detectable."
        )
    return (
        f"On {images}, of which as many distinguish the two as here, the minimum detectable effect "
        f"is {amount(effect, ACCURACY, signed=False)} (80 % power)."
    )


def _bootstrap(findings: Findings) -> str:
    if findings.bootstrap is None:
        return ""
    low, high = findings.bootstrap
    to = f"{difference(low, findings.metric)} to {amount(high, findings.metric)}"
    return f"BCa bootstrap interval of that gain: {to}."


def _adjusted(findings: Findings) -> str:
    """What the candidates' p is, or why there is none."""
    n, complete = len(findings.seeds), int(findings.candidates["complete"].sum())
    if (smallest := findings.smallest_adjusted_p) > 0.05:
        return (
            "No p adjusted for all candidates together (max-T) is shown: with "
            f"{count(n, 'seed')} it is at least {smallest:.2g}, whatever the gains. From 6 seeds "
            "on, it can be 5 % or less."
        )
    blank = " Blank: it lacks one of them." * (complete < len(findings.candidates))
    return (
        f"p (max-T): two-sided, of the gain over {BASELINES[findings.baseline]}, by sign flips, "
        f"adjusted for {count(complete, 'candidate')} together over the {n} seeds that they share "
        f"(Westfall and Young 1993).{blank}"
    )
