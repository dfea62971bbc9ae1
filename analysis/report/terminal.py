"""What `python -m analysis` prints: the result, its tables, and the runs without results."""

import shutil
import textwrap
from collections.abc import Sequence

from analysis.compare.fair import Answer, NoAnswer
from analysis.read.load import Loaded
from analysis.report import answers, tables
from analysis.report.section import Section
from analysis.report.sentences import headline, sentences


def results(
    loaded: Loaded, given: Sequence[Answer | NoAnswer], sections: Sequence[Section], most: int = 10
) -> str:
    """The answer of each budget, and each group's result and tables; at most so many candidates."""
    width = min(100, shutil.get_terminal_size().columns)
    parts = [tables.counts(loaded), *(f"note: {note}" for note in loaded.notes)]
    for answer in given:
        parts += ["", f"THE ANSWER for {answer.title}", answers.headline(answer)]
        parts += answers.sentences(answer)
    parts = [
        textwrap.fill(one, width, break_on_hyphens=False, break_long_words=False) for one in parts
    ]
    parts += ["", "WHERE IT COMES FROM, group by group"]
    for section in sections:
        findings = section.findings
        paragraphs = [f"{findings.group.title}: {findings.group.population}"]
        paragraphs += [f"note: {note}" for note in section.notes]
        paragraphs += ["", headline(findings), *sentences(findings), ""]
        parts += ["", *(textwrap.fill(one, width) for one in paragraphs)]
        parts += [tables.baselines(findings).to_string(index=False), ""]
        parts.append(tables.candidates(findings, most=most).to_string(index=False))
        if (hidden := len(findings.candidates) - most) > 0:
            parts.append(f"{hidden} more candidates are in the report and candidates.csv")
    return "\n".join([*parts, *_without_results(loaded)])


def no_results(loaded: Loaded) -> str:
    """Where no run has finished: their counts and reasons."""
    return "\n".join([tables.counts(loaded), *_without_results(loaded)])


def _without_results(loaded: Loaded, most: int = 20) -> list[str]:
    """One line per run without results, the missing ones together."""
    table = tables.without_results(loaded.runs)
    missing = table.loc[table["status"] == "missing", "run"].tolist()
    others = table[table["status"] != "missing"].to_dict("records")
    lines = [f"{run['status']}: {run['run']}: {run['reason']}" for run in others]
    hidden = len(lines) - most
    lines = lines[:most] + ([f"... and {hidden} more"] if hidden > 0 else [])
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        lines.append(f"missing (not begun): {missing[0]}{more}")
    return ["", *lines] if lines else []
