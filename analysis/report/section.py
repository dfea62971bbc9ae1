"""What is found with its figures: what report, terminal and JSON show of it.

for group in groups:
    section = section_of(group, folder_of(group, groups, out), ["gain_by_start"])
    section.findings, section.drawn
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.compare.across import Across, across
from analysis.compare.fair import Answer, NoAnswer
from analysis.compare.findings import Findings, findings_of
from analysis.compare.groups import Group
from analysis.figures.catalogue import draw_all
from analysis.figures.drawn import Drawn
from analysis.report.cautions import cautions


@dataclass(frozen=True)
class WithFigures:
    """`not_drawn`: figure and reason."""

    drawn: list[Drawn]
    not_drawn: list[tuple[str, str]]


@dataclass(frozen=True)
class Answered(WithFigures):
    """The answer of one budget."""

    answer: Answer | NoAnswer


@dataclass(frozen=True)
class Together(WithFigures):
    """The answers of several budgets; None for one."""

    across: Across | None


@dataclass(frozen=True)
class Section(WithFigures):
    """A comparison group."""

    findings: Findings

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the result."""
        findings = self.findings
        return [*findings.group.notes, *findings.problems, *cautions(findings)]


def section_of(
    group: Group, folder: Path, figures: Sequence[str], width: float | None = None
) -> Section:
    """The section of a group, with these figures written into `folder`."""
    findings = findings_of(group)
    return Section(*draw_all(figures, findings, folder, width=width), findings)


def answered(
    answers: Sequence[Answer | NoAnswer],
    folder: Path,
    figures: Sequence[str],
    width: float | None = None,
) -> list[Answered]:
    """The answers with these figures written into `folder`: numbered, where there are several."""
    found = []
    for number, answer in enumerate(answers, start=1):
        if isinstance(answer, NoAnswer):
            found.append(Answered([], [(name, answer.reason) for name in figures], answer))
            continue
        of_several = number if len(answers) > 1 else None
        found.append(Answered(*draw_all(figures, answer, folder, of_several, width), answer))
    return found


def together(
    answers: Sequence[Answer | NoAnswer],
    folder: Path,
    figures: Sequence[str],
    width: float | None = None,
) -> Together:
    """All answers, with these figures written into `folder`."""
    found = across(answers)
    if found is None:
        return Together(
            [], [(name, "needs several budgets: data sets or models") for name in figures], None
        )
    return Together(*draw_all(figures, found, folder, width=width), found)


def folder_of(group: Group, groups: Sequence[Group], out: Path) -> Path:
    """Where a group's figures go: each of several groups has a folder of its own."""
    if len(groups) == 1:
        return out / "figures"
    name = re.sub(r"[^\w.=,+-]", "_", group.name)[:100]
    return out / "figures" / f"{groups.index(group) + 1}_{name}"
