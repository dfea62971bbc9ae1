"""What `python -m analysis` prints: the result, its tables, and the runs without results."""

import shutil
import textwrap
from collections.abc import Sequence

from analysis.compare.across import Across
from analysis.compare.fair import Answer, NoAnswer
from analysis.read.load import Loaded
from analysis.report import across, answers, tables
from analysis.report.confirmation import confirmation
from analysis.report.section import Section
from analysis.report.sentences import headline, sentences


def results(
    loaded: Loaded,
    given: Sequence[Answer | NoAnswer],
    together: Across | None,
    sections: Sequence[Section],
    most: int = 10,
) -> str:
    """The answer of each budget, all of them, and each group's result and tables; at most so many
    candidates."""
    parts = [tables.counts(loaded)]
    for answer in given:
        parts += ["", f"THE ANSWER for {answer.title}", answers.headline(answer)]
        parts += [*answers.sentences(answer), *confirmation(answer)]
    parts = [_fill(one) for one in parts]
    if together is not None:
        parts += ["", together.title.upper(), _fill(across.headline(together)), ""]
        parts += [across.table(together).to_string(index=False), ""]
        parts += [_fill(one) for one in across.sentences(together)]
    parts += ["", "WHERE IT COMES FROM" + ", group by group" * (len(sections) > 1)]
    for section in sections:
        findings = section.findings
        paragraphs = [f"{findings.group.title}: {findings.group.population}"]
        paragraphs += [f"note: {note}" for note in section.notes]
        paragraphs += ["", headline(findings), *sentences(findings), ""]
        parts += ["", *(_fill(one) for one in paragraphs)]
        parts += [tables.baselines(findings).to_string(index=False), ""]
        parts.append(tables.candidates(findings, most=most).to_string(index=False))
        if (hidden := len(findings.candidates) - most) > 0:
            parts.append(f"{hidden} more candidates are in the report and candidates.csv")
    notes = ["", *(_fill(f"note: {note}") for note in loaded.notes)]
    return "\n".join([*parts, *(notes if loaded.notes else []), *_without_results(loaded)])


def _fill(text: str) -> str:
    """Wrapped for the terminal; commands and paths stay whole, to be copied."""
    width = min(100, shutil.get_terminal_size().columns)
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


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
