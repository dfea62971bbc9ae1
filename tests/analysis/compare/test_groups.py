"""Comparison groups: runs that may be compared, each measurement once."""

import pytest

from analysis.compare.groups import comparison_groups
from analysis.compare.settings import swept_columns
from analysis.read.load import load
from tests.analysis.synthetic_runs import group_of, write_run, write_sweep, write_unfinished


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
        ({"dataset": "house_numbers"}, "content.dataset=house_numbers"),
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
