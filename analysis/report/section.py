"""All that is said and drawn of one facet: what the report, the terminal and answer.json show.

for facet in found:
    shown = section_of(facet, folder_of(facet, found, out), ["gain_by_start"])
    print(shown.verdict, *shown.sentences, sep="\n")
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.compare.epochs_saved import epochs_saved
from analysis.compare.findings import Answer, answer_of
from analysis.compare.groups import Facet
from analysis.compare.image_tests import image_tests
from analysis.figures.subject import Drawn, NotDrawnError, Subject
from analysis.read.window_table import windows
from analysis.report.sentences import points, sentences


@dataclass(frozen=True)
class Section:
    """A facet with all that is said and drawn of it. `tests`: McNemar's for each training;
    `saved`: seed and epochs saved; `not_drawn`: figure and reason."""

    facet: Facet
    answer: Answer
    tests: pd.DataFrame
    saved: list[tuple[int, int | None]]
    drawn: tuple[Drawn, ...]
    not_drawn: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """The answer."""
        return sentences(self.facet, self.answer, self.tests)

    @property
    def verdict(self) -> str:
        """The answer in a few words."""
        words = {
            "gain": "A gain",
            "loss": "A loss",
            "no gain detected": "No gain detected",
            "undecided": "Undecided",
            "nothing averaged": "One checkpoint was chosen, nothing was averaged",
        }[self.answer.verdict]
        if not self.answer.chosen:
            words = f"Nothing was chosen (exploratory: {words.lower()})"
        early = f"Preliminary, {lacking} to come. " if (lacking := self.facet.to_come) else ""
        over_last = self.answer.others["last"].mean
        return (
            f"{early}{words}: {points(self.answer.contrast.mean)} points over the mean of the "
            f"window's checkpoints, {'but ' * self.answer.misleads}"
            f"{points(over_last)} over the last checkpoint"
        )


def section_of(facet: Facet, folder: Path, drawing: Sequence[str]) -> Section:
    """All that is said of a facet, with these figures written into `folder`."""
    answer = answer_of(facet)
    table, notes = windows(facet.runs, facet.epochs)
    tests, problems = image_tests(answer.runs(facet))
    notes += [*problems, *answer.cautions(facet)]
    drawn, not_drawn = [], []
    if drawing:
        from analysis.figures import catalogue  # here: tables must not wait for matplotlib

        subject = Subject(facet, answer, table)
        for name in drawing:
            try:
                drawn.append(catalogue.draw(name, subject, folder))
            except NotDrawnError as error:
                not_drawn.append((name, str(error)))
    return Section(
        facet=facet,
        answer=answer,
        tests=tests,
        saved=epochs_saved(table, answer.runs(facet)),
        drawn=tuple(drawn),
        not_drawn=tuple(not_drawn),
        notes=tuple(notes),
    )


def folder_of(facet: Facet, found: Sequence[Facet], out: Path) -> Path:
    """Where a facet's figures go: with several facets, each has a folder."""
    if len(found) == 1:
        return out / "figures"
    name = re.sub(r"[^\w.=,+-]", "_", facet.name)[:100]
    return out / "figures" / f"{found.index(facet) + 1}_{name}"
