"""The average against the last checkpoint, image by image.

tests = image_tests(answer.runs(facet))   # a row a training, or AnalysisError
"""

from pathlib import Path

import pandas as pd

from analysis import statistics
from analysis.predictions import Predictions


def image_tests(runs: pd.DataFrame) -> pd.DataFrame:
    """McNemar's exact test for each run, on its test images: seed, images, how many of them only
    the average and only the window's last checkpoint gets right, p, and p adjusted for all the runs
    (Holm). Raises AnalysisError where predictions can't be read."""
    rows = []
    for run in runs.to_dict("records"):
        found = Predictions(Path(run["directory"]), "test")
        average = found.right(found.log_probabilities("average"))
        last = found.right(found.log_probabilities(str(run["end"] - 1)))
        test = statistics.mcnemar(average, last)
        rows.append(
            {
                "seed": run["seed"],
                "images": len(average),
                "only_average": test.only_first,
                "only_last": test.only_second,
                "p": test.p,
            }
        )
    table = pd.DataFrame(rows)
    table["p_holm"] = statistics.holm(table["p"].tolist())
    return table


def detectable(tests: pd.DataFrame) -> float | None:
    """The smallest difference of accuracy (a fraction) that one such test would detect with 80 %
    power, at the mean share of images that one of the two only gets right."""
    differing = (tests["only_average"] + tests["only_last"]) / tests["images"]
    return statistics.detectable_by_images(float(differing.mean()), int(tests["images"].iloc[0]))
