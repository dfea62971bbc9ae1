"""Comparison groups: runs that may be compared, each measurement once."""

import pytest

from analysis.compare.groups import comparison_groups, training_images
from analysis.compare.settings import shared, swept_columns
from analysis.read.load import load
from tests.analysis.synthetic_runs import (
    group_of,
    write_divided,
    write_run,
    write_sweep,
    write_unfinished,
)


def found(folder):
    return comparison_groups(load([folder]))


def test_one_group_has_no_name_and_all_runs(tmp_path):
    write_sweep(tmp_path / "s")
    group = group_of(tmp_path / "s")
    assert group.name == ""
    assert len(group.runs) == 18
    assert group.trajectories == 6
    assert group.population == "18 runs of 6 trajectories"
    assert group.title == "svhn, 5,000 training / 1,000 test images, SmallCNN, SGD"
    assert group.notes == ()


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"training__batch_size": 64}, "training.batch_size=64"),
        ({"model__channels": [4, 8]}, "model.channels=(4, 8)"),
        (
            {"schedule": {"_target_": "polyak.training.schedules.Cosine"}},
            "schedule=Cosine",
        ),
        ({"training__epochs": 8}, "training.epochs=8"),
        ({"dataset__validation": 0.2}, "dataset.validation=0.2"),
        ({"test_key": "other images"}, "content.test_key=other images"),
        ({"dataset": "house_numbers"}, "dataset=house_numbers"),
        ({"training_key": "others"}, "content.training_key=others"),
    ],
)
def test_runs_of_other_data_or_settings_are_groups_of_their_own(tmp_path, changed, name):
    for seed in (0, 1):
        write_run(tmp_path / "s" / f"a{seed}", seed=seed)
    write_run(tmp_path / "s" / "b", seed=2, **changed)
    large, small = found(tmp_path / "s")
    assert (len(large.runs), len(small.runs)) == (2, 1)
    assert small.name == name


@pytest.mark.parametrize(
    "changed",
    [
        {"training__device": "cuda:1"},
        {"training__threads": 8},
        {"paths": {"outputs": "/elsewhere"}},
        {"name": "mine"},
        {"averaging__running": True},
    ],
)
def test_device_threads_and_paths_are_free_within_a_group(tmp_path, changed):
    write_run(tmp_path / "s" / "a", seed=0)
    write_run(tmp_path / "s" / "b", seed=1, **changed)
    assert len(found(tmp_path / "s")) == 1


def test_a_repeated_measurement_counts_once_and_is_noted(tmp_path):
    write_run(tmp_path / "s" / "a", start=2)
    write_run(tmp_path / "s" / "b", start=2)
    write_run(tmp_path / "s" / "c", start=3)
    write_run(tmp_path / "s" / "d", start=2, scheme="exponential, decay 0.8")
    group = group_of(tmp_path / "s")
    assert group.runs["run"].tolist() == ["a", "c", "d"]
    assert any("counted once: 1 run " in note for note in group.notes)


def test_a_seed_trained_twice_counts_once(tmp_path):
    """The trajectory with the most runs counts, and a note names the others."""
    for start in (1, 2):
        write_run(tmp_path / "s" / f"new {start}", start=start, fingerprint="new", gain=0.02)
    write_run(tmp_path / "s" / "a", start=1, fingerprint="old", gain=0.09)
    write_run(tmp_path / "s" / "b", start=1, seed=1)
    group = group_of(tmp_path / "s")
    assert group.trajectories == 2
    assert set(group.runs["fingerprint"]) == {"new", "svhn-0.05-1"}
    assert set(group.epochs["fingerprint"]) == {"new", "svhn-0.05-1"}
    assert any("left out" in note and "1 trajectory (1 run)" in note for note in group.notes)


def test_runs_of_the_same_name_in_several_directories_are_kept_apart(tmp_path):
    write_sweep(tmp_path / "a")
    write_sweep(tmp_path / "b", dataset="mnist", test_key="other", model__channels=[8, 8])
    loaded = load([tmp_path / "a", tmp_path / "b"])
    assert loaded.runs["run"].is_unique
    for group in comparison_groups(loaded):
        assert set(group.epochs["fingerprint"]) == set(group.runs["fingerprint"])
        assert len(group.epochs) == len(group.runs) * 6


def test_paths_and_names_of_images_are_free_within_a_group(tmp_path):
    for seed in (0, 1, 2):
        source = {"_target_": "polyak.data.arrays.load", "train": f"/d{seed}/t", "validation": 0.1}
        write_run(tmp_path / "s" / str(seed), seed=seed, dataset_config=source)
    assert len(found(tmp_path / "s")) == 1


def test_a_key_that_is_null_and_one_that_is_not_there_are_the_same(tmp_path):
    write_run(tmp_path / "s" / "a", seed=0, model__extra=None)
    write_run(tmp_path / "s" / "b", seed=1)
    assert len(found(tmp_path / "s")) == 1


def test_a_repeated_measurement_with_other_numbers_is_noted(tmp_path):
    write_run(tmp_path / "s" / "a", gain=0.02)
    write_run(tmp_path / "s" / "b", gain=0.09)
    group = group_of(tmp_path / "s")
    assert any("should have measured the same differ" in note for note in group.notes)


def test_failed_runs_of_another_setting_are_not_counted_with_this_one(tmp_path):
    write_run(tmp_path / "s" / "a")
    cosine = {"_target_": "polyak.training.schedules.Cosine"}
    write_unfinished(tmp_path / "s" / "b", reason="no", schedule=cosine)
    write_unfinished(tmp_path / "s" / "c", reason="no", dataset__validation=0.3)
    write_unfinished(tmp_path / "s" / "d", reason="no", seed=9)
    group = group_of(tmp_path / "s")
    assert group.unmeasured["run"].tolist() == ["d"]


def test_differing_commits_and_unclean_code_are_noted(tmp_path):
    for seed, commit in enumerate(("aaa", "bbb-dirty")):
        environment = {"commit": commit, "torch": "2.14.1"}
        write_run(tmp_path / "s" / commit, seed=seed, summary={"environment": environment})
    group = group_of(tmp_path / "s")
    assert any("2 commits" in note for note in group.notes)
    assert any("-dirty" in note for note in group.notes)


def test_a_failed_run_is_counted_with_the_group_it_belongs_to(tmp_path):
    write_run(tmp_path / "s" / "a")
    write_run(tmp_path / "s" / "b", training__batch_size=64, fingerprint="b")
    write_unfinished(tmp_path / "s" / "c", reason="no", training__batch_size=64, seed=1)
    by_name = {group.name: len(group.unmeasured) for group in found(tmp_path / "s")}
    assert by_name == {"training.batch_size=128": 0, "training.batch_size=64": 1}


def test_a_title_says_that_images_are_synthetic_or_a_substitute(tmp_path):
    sizes = {"train": 5, "test": 4, "validation": 1}
    for name, more in {"a": {}, "b": {"substitute_for": "svhn"}}.items():
        data = {"name": "house_numbers", "origin": "drawn", "synthetic": True, "sizes": sizes}
        data |= {"substitute_for": None, "classes": 10, "input_shape": [3, 8, 8], **more}
        write_run(tmp_path / name / "0", summary={"dataset": data})
    assert "house_numbers (synthetic), 5" in found(tmp_path / "a")[0].title
    assert "(synthetic, NOT svhn)" in found(tmp_path / "b")[0].title


def test_every_swept_key_has_a_column(tmp_path):
    write_run(tmp_path / "s" / "a", model__hidden=8, optimizer__momentum=0.5)
    write_run(tmp_path / "s" / "b", model__hidden=16, optimizer__momentum=0.5, seed=1)
    columns = swept_columns(load([tmp_path / "s"]))
    assert columns.to_dict("list") == {"model.hidden": [8, 16]}


def test_without_a_finished_run_there_is_no_group(tmp_path):
    write_unfinished(tmp_path / "s" / "a")
    assert found(tmp_path / "s") == []


def test_runs_whose_splits_are_drawn_are_one_group(tmp_path):
    for seed in range(4):
        write_divided(tmp_path / "s" / str(seed), seed=seed, split_seed=seed)
    group = group_of(tmp_path / "s")
    assert group.runs["seed"].tolist() == [0, 1, 2, 3]
    assert group.title == "svhn, 4,498 to 4,500 training / 1,000 test images, SmallCNN, SGD"
    assert training_images([group]) == "4,498 to 4,500"
    assert "dataset.split_seed" not in shared(group.config)
    assert group.notes == ()


def test_drawn_splits_and_the_one_of_null_are_not_pooled(tmp_path):
    for seed in range(3):
        write_divided(tmp_path / "s" / f"drawn{seed}", seed=seed, split_seed=seed)
    for seed in range(2):
        write_run(tmp_path / "s" / f"null{seed}", seed=seed, dataset__split_seed=None)
    write_run(tmp_path / "s" / "before", seed=2)  # of before there was such a key
    write_unfinished(tmp_path / "s" / "killed", seed=5, dataset__split_seed="${seed}")
    groups = {group.name: group for group in found(tmp_path / "s")}
    assert {name: len(group.runs) for name, group in groups.items()} == {
        "dataset.split_seed=given": 3,
        "": 3,
    }
    assert len(groups["dataset.split_seed=given"].unmeasured) == 1
    assert len(groups[""].unmeasured) == 0


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"training__batch_size": 64}, "training.batch_size=64"),
        ({"dataset__validation": 0.2}, "dataset.validation=0.2"),
        ({"dataset__limit_train": 4500}, "dataset.limit_train=4500"),
        ({"dataset__train": "/elsewhere/other.npz"}, "dataset.train=/elsewhere/other.npz"),
        ({"summary": {"evaluation_keys": {"test": "other"}}}, "content.test_key=other"),
    ],
)
def test_drawn_splits_of_other_images_or_settings_are_groups_of_their_own(tmp_path, changed, name):
    for seed in (0, 1):
        write_divided(tmp_path / "s" / f"a{seed}", seed=seed, split_seed=seed)
    write_divided(tmp_path / "s" / "b", seed=2, split_seed=2, **changed)
    large, small = found(tmp_path / "s")
    assert (len(large.runs), len(small.runs)) == (2, 1)
    assert small.name == name


@pytest.mark.parametrize("key", ["dataset__datasets", "dataset__train", "dataset__files"])
def test_where_the_images_of_drawn_splits_lie_does_not_count(tmp_path, key):
    for seed in (0, 1):
        values = {key: f"/machine{seed}/train.npz"}
        write_divided(tmp_path / "s" / str(seed), seed=seed, split_seed=seed, **values)
    assert len(found(tmp_path / "s")) == 1


def test_a_seed_crossed_with_splits_counts_once_on_one_split_for_all_rates(tmp_path):
    """Seed 0 has three splits at each of two rates, and a fourth, the smallest, at one of them."""
    for lr in (0.02, 0.05):
        for split in (3, 4, 5):
            write_divided(tmp_path / f"{lr},{split}", lr=lr, seed=0, split_seed=split)
        write_divided(tmp_path / f"{lr},one", lr=lr, seed=1, split_seed=9)
    write_divided(tmp_path / "stray", lr=0.02, seed=0, split_seed=1)
    write_divided(tmp_path / "and start", lr=0.05, seed=0, split_seed=5, start=1)
    group = group_of(tmp_path)
    kept = {(run["learning_rate"], run["seed"]): run for _, run in group.runs.iterrows()}
    assert len(kept) == len(group.runs) == 4
    assert {run["config"]["dataset.split_seed"] for run in kept.values()} == {3, 9}
    assert kept[0.02, 0]["training_key"] == kept[0.05, 0]["training_key"] == "training 3"
    assert set(group.epochs["fingerprint"]) == set(group.runs["fingerprint"])
    (note,) = group.notes
    assert "5 trajectories (6 runs) of a seed on another validation split" in note
    assert "dataset.split_seed=${seed}" in note


def test_recipes_keep_the_same_split_of_a_seed(tmp_path):
    """Split 2 is the only one that both have, though each has a smaller one."""
    cosine = {"_target_": "polyak.training.schedules.Cosine"}
    for split in (0, 2):
        write_divided(tmp_path / f"a{split}", seed=0, split_seed=split)
    for split in (1, 2):
        options = {"schedule": cosine, "fingerprint": f"cosine {split}"}
        write_divided(tmp_path / f"b{split}", seed=0, split_seed=split, **options)
    groups = found(tmp_path)
    assert len(groups) == 2
    assert [group.runs["training_key"].tolist() for group in groups] == [["training 2"]] * 2


def test_a_rate_that_lacks_the_split_of_a_seed_lacks_the_seed(tmp_path):
    for lr in (0.01, 0.02):
        for seed in (0, 1):
            write_divided(tmp_path / f"{lr},{seed}", lr=lr, seed=seed, split_seed=seed)
    for seed in (0, 1):
        write_divided(tmp_path / f"other{seed}", lr=0.05, seed=seed, split_seed=1)
    group = group_of(tmp_path)
    seeds = group.runs.groupby("learning_rate")["seed"].agg(list).to_dict()
    assert seeds == {0.01: [0, 1], 0.02: [0, 1], 0.05: [1]}
