"""The average against the last checkpoint, image by image."""

import pytest

from analysis.compare.groups import facets
from analysis.compare.image_tests import detectable, image_tests
from analysis.read.load import load
from analysis.read.predictions import Predictions
from analysis.statistics.minimum_detectable_effect import detectable_by_images
from analysis.statistics.significance import mcnemar
from tests.analysis.synthetic_runs import write_run


def test_every_training_is_tested_image_by_image(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / "s" / str(seed), seed=seed, predictions=True)
    (facet,) = facets(load([tmp_path / "s"]))
    tests, problems = image_tests(facet.runs)
    assert problems == []
    assert tests["seed"].tolist() == [0, 1]
    assert tests["images"].tolist() == [200, 200]
    found = Predictions(tmp_path / "s" / "1", "test")
    average, last = (found.right(found.log_probabilities(name)) for name in ("average", "5"))
    wanted = mcnemar(average, last)
    assert tests.loc[1, ["only_average", "only_last"]].tolist() == [
        int((average & ~last).sum()),
        int((last & ~average).sum()),
    ]
    assert tests.loc[1, "p"] == wanted.p
    assert max(tests["p_holm"]) <= 2 * max(tests["p"])
    share = (tests["only_average"] + tests["only_last"]).mean() / 200
    assert detectable(tests) == pytest.approx(detectable_by_images(share, 200))


def test_a_run_without_predictions_is_left_out_and_named(tmp_path):
    for seed in (0, 1, 2):
        write_run(tmp_path / "s" / str(seed), seed=seed, predictions=seed != 1)
    (facet,) = facets(load([tmp_path / "s"]))
    tests, problems = image_tests(facet.runs)
    assert tests["seed"].tolist() == [0, 2]
    assert len(problems) == 1
    assert str(tmp_path / "s" / "1") in problems[0]
