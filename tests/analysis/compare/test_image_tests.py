"""The average against the last checkpoint, image by image."""

import pytest

from analysis.compare.image_tests import image_tests, minimum_detectable_effect
from analysis.read.predictions import Predictions
from analysis.statistics.minimum_detectable_effect import minimum_detectable_effect_over_images
from analysis.statistics.significance import mcnemar
from tests.analysis.synthetic_runs import group_of, write_run


def test_every_trajectory_is_tested_image_by_image(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / "s" / str(seed), seed=seed, predictions=True)
    tests, problems = image_tests(group_of(tmp_path / "s").runs)
    assert problems == []
    assert tests["seed"].tolist() == [0, 1]
    assert tests["images"].tolist() == [200, 200]
    found = Predictions(tmp_path / "s" / "1", "test")
    average, last = (found.correct(found.log_probabilities(name)) for name in ("average", "5"))
    wanted = mcnemar(average, last)
    assert tests.loc[1, ["only_average", "only_last"]].tolist() == [
        int((average & ~last).sum()),
        int((last & ~average).sum()),
    ]
    assert tests.loc[1, "p"] == wanted.p
    assert max(tests["p_holm"]) <= 2 * max(tests["p"])
    share = (tests["only_average"] + tests["only_last"]).mean() / 200
    assert minimum_detectable_effect(tests) == pytest.approx(
        minimum_detectable_effect_over_images(share, 200)
    )


def test_a_run_without_predictions_is_left_out_and_named(tmp_path):
    for seed in (0, 1, 2):
        write_run(tmp_path / "s" / str(seed), seed=seed, predictions=seed != 1)
    tests, problems = image_tests(group_of(tmp_path / "s").runs)
    assert tests["seed"].tolist() == [0, 2]
    assert len(problems) == 1
    assert str(tmp_path / "s" / "1") in problems[0]
