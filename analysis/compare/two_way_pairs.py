"""Both sides of the answer image by image, from their predictions: the interval over seeds and
images together.

two_way, reason = two_way_of(averaged, unaveraged, ACCURACY)   # rows of `estimators`, by seed
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.read.directories import AnalysisError
from analysis.read.predictions import Predictions
from analysis.statistics.two_way import TwoWay, two_way_interval
from analysis.units import words
from polyak.errors import PolyakError
from polyak.evaluation.metric import ACCURACY, CALIBRATION_ERROR, LOSS, Metric
from polyak.evaluation.scores import Array


def two_way_of(
    averaged: pd.DataFrame, unaveraged: pd.DataFrame, metric: Metric
) -> tuple[TwoWay | None, str]:
    """The interval of the difference on test, positive where the average is better, of the rows of
    both sides: the same seeds in the same order; or None, and why."""
    if metric == CALIBRATION_ERROR:
        return None, "calibration is of all images together"
    if metric not in (ACCURACY, LOSS):
        return None, f"{words(metric)} is not known image by image"
    pairs = zip(averaged.to_dict("records"), unaveraged.to_dict("records"), strict=True)
    rows, labels = [], []
    try:
        for pair in pairs:
            (one, of_one), (other, of_other) = (_by_image(row, metric) for row in pair)
            labels += [of_one, of_other]
            if not all(np.array_equal(labels[0], found) for found in labels):
                return None, "the predictions are not of the same images"
            rows.append(metric.sign * (one - other))
    except PolyakError as error:
        return None, str(error)
    return two_way_interval(np.stack(rows)), ""


def _by_image(row: Mapping[Any, Any], metric: Metric) -> tuple[Array, Array]:
    """float64 [images]: whether the prediction is right, or its loss in nats; and the labels.

    Raises PolyakError where they can't be read, or don't give the score that they should."""
    found = Predictions(Path(str(row["directory"])), "test")
    what = row["estimator"]
    if what not in ("average", "last_refreshed") and pd.isna(row["epoch"]):
        raise AnalysisError(f"{row['directory']}: summary.json has no epoch of {what}")
    given = found.log_probabilities(
        what if what in ("average", "last_refreshed") else int(row["epoch"])
    )
    scores: Array = (
        found.correct(given).astype(np.float64)
        if metric == ACCURACY
        else -given[np.arange(len(given)), found.labels]
    )
    if not abs(float(scores.mean()) - float(row[f"test_{metric.name}"])) < 1e-4:
        raise AnalysisError(
            f"the predictions in {row['directory']} don't give its test {metric.name}"
        )
    return scores, found.labels
