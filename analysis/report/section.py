"""A comparison group's findings with its figures: what report, terminal and JSON show of it.

for group in groups:
    section = section_of(group, folder_of(group, groups, out), ["gain_by_start"])
    section.findings, section.drawn
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.compare.findings import Findings, findings_of
from analysis.compare.groups import Group
from analysis.figures import catalogue
from analysis.figures.catalogue import Drawn, NotDrawnError
from analysis.report.cautions import cautions


@dataclass(frozen=True)
class Section:
    """`not_drawn`: figure and reason."""

    findings: Findings
    drawn: tuple[Drawn, ...]
    not_drawn: tuple[tuple[str, str], ...]

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the result."""
        findings = self.findings
        return [*findings.group.notes, *findings.problems, *cautions(findings)]


def section_of(group: Group, folder: Path, figures: Sequence[str]) -> Section:
    """The section of a group, with these figures written into `folder`."""
    findings = findings_of(group)
    drawn, not_drawn = [], []
    for name in figures:
        try:
            drawn.append(catalogue.draw(name, findings, folder))
        except NotDrawnError as error:
            not_drawn.append((name, str(error)))
    return Section(findings, tuple(drawn), tuple(not_drawn))


def folder_of(group: Group, groups: Sequence[Group], out: Path) -> Path:
    """Where a group's figures go: each of several groups has a folder of its own."""
    if len(groups) == 1:
        return out / "figures"
    name = re.sub(r"[^\w.=,+-]", "_", group.name)[:100]
    return out / "figures" / f"{groups.index(group) + 1}_{name}"
