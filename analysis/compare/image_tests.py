"""The average against the last checkpoint, image by image.

tests, problems = image_tests(findings.runs(group))   # one row per trajectory
"""

from pathlib import Path
from typing import Any

import pandas as pd

from analysis.compare.baselines import last_of, without_logits
from analysis.read.predictions import Predictions
from analysis.read.window_table import epochs_of
from analysis.statistics.minimum_detectable_effect import minimum_detectable_effect_over_images
from analysis.statistics.significance import holm, mcnemar
from polyak.errors import PolyakError


def image_tests(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """McNemar's exact test for each run, on its test images: seed, images, how many of them only
    the average and only the window's last checkpoint that is like it (`last_of`) predicts
    correctly, p, and p adjusted for all runs (Holm). And the runs whose predictions can't be read,
    which are left out."""
    if why := without_logits(runs):
        return _table([]), [f"no image-level test, ensemble or calibration: they are {why}"]
    rows, problems = [], []
    refreshed = last_of(runs) == "last_refreshed"
    for run in runs.to_dict("records"):
        try:
            found = Predictions(Path(run["directory"]), "test")
            average = found.correct(found.log_probabilities("average"))
            last = found.correct(
                found.log_probabilities("last_refreshed" if refreshed else epochs_of(run)[-1])
            )
        except PolyakError as error:
            problems.append(f"no image-level test: {error}")
            continue
        test = mcnemar(average, last)
        rows.append(
            {
                "seed": run["seed"],
                "images": len(average),
                "only_average": test.only_first,
                "only_last": test.only_second,
                "p": test.p,
            }
        )
    return _table(rows), problems


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["seed", "images", "only_average", "only_last", "p"])
    return table.assign(p_holm=holm(table["p"].tolist()))


def minimum_detectable_effect(tests: pd.DataFrame) -> float | None:
    """The smallest difference of accuracy (a fraction) that one such test detects with 80 % power,
    at the mean share of images that only one of the two predicts correctly."""
    if tests.empty:
        return None
    differing = (tests["only_average"] + tests["only_last"]) / tests["images"]
    return minimum_detectable_effect_over_images(
        float(differing.mean()), int(tests["images"].iloc[0])
    )
