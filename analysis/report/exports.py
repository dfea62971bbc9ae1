"""The numbers behind report and figures, as files for others to read: CSV and JSON.

docs/analysis.md has their columns and keys.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.compare import image_tests
from analysis.compare.across import Across
from analysis.compare.baselines import compared
from analysis.compare.fair import Answer, NoAnswer
from analysis.compare.findings import Findings
from analysis.compare.groups import Group
from analysis.compare.settings import swept_columns
from analysis.read.load import Loaded
from analysis.report import across, answers
from analysis.report.section import Section
from analysis.report.sentences import sentences
from polyak import files

_OF_TRAJECTORIES = ("average", "window_mean", "last", "last_refreshed", "ensemble")
"""Their test scores are written."""


def write_runs(loaded: Loaded, groups: Sequence[Group], out: Path) -> None:
    """Write runs.csv and epochs.csv into `out`."""
    runs = loaded.runs.drop(columns=["config", "weights", "metrics_known"], errors="ignore")
    if "metric" in runs:  # for a person, where it isn't the accuracy of all
        metrics = [getattr(metric, "name", "") for metric in runs.pop("metric")]
        runs = runs.assign(metric=metrics) if set(metrics) - {"accuracy", ""} else runs
    names = {index: group.name for group in groups for index in group.runs.index}
    runs = runs.assign(
        counted=runs.index.isin(list(names)),
        comparison_group=[names.get(index, "") for index in runs.index],
    )
    _write(out / "runs.csv", pd.concat([runs, swept_columns(loaded)], axis=1))
    _write(out / "epochs.csv", loaded.epochs)


def write_findings(sections: Sequence[Section], out: Path) -> None:
    """Write candidates.csv, and findings.json with the report's numbers, into `out`."""
    candidates = [
        section.findings.candidates.assign(comparison_group=section.findings.group.name)
        for section in sections
    ]
    _write(out / "candidates.csv", pd.concat(candidates))
    files.write_json(out / "findings.json", [_findings(section.findings) for section in sections])


def write_answers(given: Sequence[Answer | NoAnswer], out: Path) -> None:
    """Write answers.json, with one entry per budget, into `out`."""
    files.write_json(out / "answers.json", [answers.plain(one) for one in given])


def write_across(given: Across | None, out: Path) -> None:
    """Write across.json, of several budgets, into `out`: of one, none may be left there."""
    files.remove(out, [r"across\.json"])
    if given is not None:
        files.write_json(out / "across.json", across.plain(given))


def _findings(findings: Findings) -> dict[str, Any]:
    over_images = image_tests.minimum_detectable_effect(findings.image_tests)
    runs = findings.runs
    of_runs = ["run", "seed", "fingerprint"]
    of_runs += [f"{what}_test_{findings.metric.name}" for what in compared(runs, _OF_TRAJECTORIES)]
    return {
        "comparison_group": findings.group.name,
        "title": findings.group.title,
        "metric": findings.metric.name,
        "verdict": findings.verdict,
        "selected_on_validation": findings.selected_on_validation,
        "reason": findings.reason,
        "selected": _plain(findings.selected),
        "oracle": _plain(findings.oracle),
        "mechanism": {
            "gain_over": findings.baseline,
            **asdict(findings.mechanism),
            "p": findings.p,
        },
        "bootstrap": findings.bootstrap,
        **{f"gain_over_{what}": asdict(gain) for what, gain in findings.secondary.items()},
        "minimum_detectable_effect_over_seeds": findings.minimum_detectable_effect,
        "minimum_detectable_effect_over_images": over_images,
        "trajectories": [_plain(row) for _, row in runs[of_runs].iterrows()],
        "selection_bias": findings.selection_bias,
        "last": findings.last,
        "mcnemar": findings.image_tests.to_dict("records"),
        "sentences": sentences(findings),
    }


def _plain(row: pd.Series) -> dict[str, Any]:
    values = {
        key: getattr(value, "item", lambda value=value: value)() for key, value in row.items()
    }
    return {str(key): None if value != value else value for key, value in values.items()}


_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet takes for a formula, where a cell begins with it:
https://owasp.org/www-community/attacks/CSV_Injection."""


def _defused(cell: object) -> object:
    """A cell that a spreadsheet shows as it is: text that is no number, and begins as a formula
    does, has an apostrophe in front. Carriage returns are escaped: pandas writes them bare, which
    would begin a row. Numbers stay numbers."""
    if not isinstance(cell, str):
        return cell
    try:
        float(cell)
    except ValueError:
        return ("'" * bool(_FORMULA.match(cell)) + cell).replace("\r", "\\r")
    return cell.replace("\r", "\\r")


def _write(path: Path, table: pd.DataFrame) -> None:
    plain = table.copy()
    for place, (_, column) in enumerate(table.items()):
        if not pd.api.types.is_numeric_dtype(column):
            cells = pd.Series(map(_defused, column), index=column.index, dtype=column.dtype)
            plain.isetitem(place, cells.array)
    plain = plain.rename(columns=_defused)
    with files.atomic(path) as temporary:
        plain.to_csv(temporary, index=False, errors="backslashreplace")
