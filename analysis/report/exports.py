"""The numbers behind report and figures, as files for others to read: CSV and JSON.

docs/analysis.md has their columns and keys.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.compare import image_tests
from analysis.compare.groups import Facet
from analysis.compare.settings import swept_columns
from analysis.read.load import Loaded
from analysis.report.section import Section
from polyak import files

_TRAINING = [
    *("run", "seed", "fingerprint", "average_test_accuracy"),
    *("window_mean_test_accuracy", "last_test_accuracy", "ensemble_test_accuracy"),
]


def tables(loaded: Loaded, found: Sequence[Facet], out: Path) -> None:
    """Write runs.csv and epochs.csv into `out`."""
    runs = loaded.runs.drop(columns=["config", "weights"], errors="ignore")
    kept = [index for facet in found for index in facet.runs.index]
    names = {index: facet.name for facet in found for index in facet.runs.index}
    runs = runs.assign(
        counted=runs.index.isin(kept), facet=[names.get(index, "") for index in runs.index]
    )
    for name, table in {
        "runs.csv": pd.concat([runs, swept_columns(loaded)], axis=1),
        "epochs.csv": loaded.epochs,
    }.items():
        with files.atomic(out / name) as temporary:
            table.to_csv(temporary, index=False, errors="backslashreplace")


def answers(sections: Sequence[Section], out: Path) -> None:
    """Write candidates.csv, and answer.json with the report's numbers as fractions, into `out`."""
    candidates = [
        section.answer.candidates.assign(facet=section.facet.name) for section in sections
    ]
    with files.atomic(out / "candidates.csv") as temporary:
        pd.concat(candidates).to_csv(temporary, index=False)
    files.write_json(
        out / "answer.json",
        [
            {
                "facet": section.facet.name,
                "title": section.facet.title,
                "verdict": section.answer.verdict,
                "chosen": section.answer.chosen,
                "how": section.answer.how,
                "focus": _json(section.answer.focus),
                "oracle": _json(section.answer.oracle),
                "gain_over_window_mean": asdict(section.answer.contrast) | {"p": section.answer.p},
                "bootstrap": section.answer.bootstrap,
                **{f"gain_over_{k}": asdict(v) for k, v in section.answer.others.items()},
                "detectable_by_trainings": section.answer.detectable,
                "detectable_by_images": image_tests.detectable(section.tests)
                if len(section.tests)
                else None,
                "trainings": [
                    _json(row[_TRAINING])
                    for _, row in section.answer.runs(section.facet).iterrows()
                ],
                "winners_curse": section.answer.curse,
                "mcnemar": section.tests.to_dict("records"),
                "epochs_saved": [{"seed": seed, "epochs": n} for seed, n in section.saved],
                "sentences": section.sentences,
            }
            for section in sections
        ],
    )


def _json(row: pd.Series) -> dict[str, Any]:
    plain = {key: getattr(value, "item", lambda value=value: value)() for key, value in row.items()}
    return {str(key): None if value != value else value for key, value in plain.items()}
