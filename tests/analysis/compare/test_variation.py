"""Which sources of variation a result includes: as the configurations of its runs have it."""

import pytest

from analysis.compare.estimators import budgets
from analysis.compare.fair import answer_of
from analysis.compare.groups import comparison_groups
from analysis.compare.variation import variation_of
from analysis.read.load import load
from analysis.report import answers
from tests.analysis.synthetic_runs import write_divided, write_run, write_unfinished

TEST = "the test images (only an interval over seeds and images covers these)"
ORDER = "the order of the batches (and dropout, if any)"
AUGMENTED = {"_target_": "polyak.data.augmentations.crop.Crop", "pad": 4}
COSINE = {"_target_": "polyak.training.schedules.Cosine"}


def varied(folder):
    (groups,) = budgets(comparison_groups(load([folder])))
    return variation_of(groups)


def test_without_a_split_seed_one_split_is_held_fixed(tmp_path):
    for seed in (0, 1, 2):
        write_run(tmp_path / str(seed), seed=seed)
    found = varied(tmp_path)
    assert found.varied == ("the initial weights", ORDER)
    fixed = ("which images are validation", "the training images", "the hyperparameters", TEST)
    assert found.fixed == fixed
    assert found.sentence == (
        f"Over seeds vary: the initial weights, {ORDER}. Held fixed: {', '.join(fixed)}."
    )


@pytest.mark.parametrize(
    ("seeds", "name"),
    [
        ({0: 0, 1: 1, 2: 2}, "(dataset.split_seed)"),
        ({0: 4, 1: 4, 2: 5}, "(dataset.split_seed, which some seeds share)"),
    ],
)
def test_a_split_per_seed_varies_with_the_training_images(tmp_path, seeds, name):
    for seed, split in seeds.items():
        write_divided(tmp_path / str(seed), seed=seed, split_seed=split)
    found = varied(tmp_path)
    assert found.varied[-1] == f"which images are validation and which training {name}"
    assert found.fixed == ("the images that both are drawn from", "the hyperparameters", TEST)


def test_one_drawn_split_for_all_seeds_is_held_fixed(tmp_path):
    for seed in (0, 1):
        write_divided(tmp_path / str(seed), seed=seed, split_seed=7)
    found = varied(tmp_path)
    assert found.varied == ("the initial weights", ORDER)
    assert found.fixed[:2] == (
        "which images are validation (dataset.split_seed=7)",
        "the training images",
    )


def test_weights_to_start_from_are_held_fixed(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / str(seed), seed=seed, training__init="/weights.pt")
    found = varied(tmp_path)
    assert found.varied == (ORDER,)
    assert found.fixed[0] == "the initial weights (training.init)"


@pytest.mark.parametrize(
    ("others", "name"), [({}, "the augmentation"), ({"none": 1}, "the augmentation where there is")]
)
def test_augmentation_is_named_where_there_is_one(tmp_path, others, name):
    for seed in (0, 1):
        write_run(tmp_path / str(seed), seed=seed, augmentation=AUGMENTED)
        for other in others:
            identity = {"_target_": "polyak.data.augmentations.none.Identity"}
            options = {"augmentation": identity, "fingerprint": f"{other} {seed}"}
            write_run(tmp_path / f"{other}{seed}", seed=seed, **options)
    assert varied(tmp_path).varied[2].startswith(name)
    assert ("where" in varied(tmp_path).varied[2]) == bool(others)


def test_nothing_varies_with_one_seed(tmp_path):
    write_divided(tmp_path / "a", seed=3, split_seed=3)
    found = varied(tmp_path)
    assert found.varied == ()
    assert "which images are validation (dataset.split_seed=3)" in found.fixed
    assert found.sentence.startswith("One seed. Held fixed: the initial weights, ")


def test_without_validation_there_are_no_validation_images(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / str(seed), seed=seed, validation=False, dataset__validation=0)
    assert "validation" not in varied(tmp_path).sentence


def test_recipes_on_other_splits_of_a_seed_are_not_like_for_like(tmp_path):
    for seed in (0, 1, 2):
        write_divided(tmp_path / f"a{seed}", seed=seed, split_seed=seed)
        options = {"schedule": COSINE, "fingerprint": f"cosine {seed}"}
        write_divided(tmp_path / f"b{seed}", seed=seed, split_seed=2, **options)
    found = varied(tmp_path)
    assert found.unlike == (0, 1)
    assert "Not like for like: the validation split of seed 0, 1 is another" in found.sentence


def test_the_answer_says_it_after_its_certainty(tmp_path):
    """Also in a sweep of which a point was killed."""
    for seed in (0, 1, 2):
        write_divided(tmp_path / str(seed), seed=seed, split_seed=seed)
    write_unfinished(tmp_path / "killed", seed=3, dataset__split_seed="${seed}")
    (groups,) = budgets(comparison_groups(load([tmp_path])))
    answer = answer_of(groups)
    assert answer.conclusion.interval.n == 3
    said = answers.sentences(answer)
    assert variation_of(groups).sentence in said
    assert any("(dataset.split_seed). Held fixed:" in one for one in said)
    plain = answers.plain(answer)
    assert (plain["varied"], plain["fixed"]) == (varied(tmp_path).varied, varied(tmp_path).fixed)
