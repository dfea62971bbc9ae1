"""Carving validation images, with and without a seed."""

import hashlib
import random

import numpy as np
import pytest
import torch

from polyak.data.splitting import split
from polyak.errors import ConfigError
from tests.data.numbered import source


def carved(data):
    """bool [N]: which of the source's training images are for validation."""
    chosen = torch.zeros(len(data.train) + len(data.validation), dtype=torch.bool)
    chosen[data.validation.ids] = True
    return chosen


def grouped(sizes):
    """int64 [sum(sizes)]: neighbours in groups of these sizes."""
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


@pytest.mark.parametrize("total", [2, 3, 9, 10, 11, 16, 97, 100])
def test_without_groups_every_count_is_met_exactly(total):
    for count in range(1, total):
        data = split(source(total), count)
        assert len(data.validation) == count
        assert len(data.train) == total - count


@pytest.mark.parametrize("count", [10, 100, 500, 5_000, 9_990])
def test_without_groups_each_tenth_of_the_file_gives_the_block_at_its_end(count):
    chosen = carved(split(source(10_000), count)).view(10, 1_000)
    assert chosen.sum(dim=1).tolist() == [count // 10] * 10
    assert bool(chosen[:, -count // 10 :].all())


@pytest.mark.parametrize("count", [15, 1_000, 7_326, 65_931])
def test_the_real_size_is_shared_out_evenly(count):
    total = 73_257
    chosen = carved(split(source(total), count))
    assert int(chosen.sum()) == count
    for stretch in torch.tensor_split(chosen, 10):
        assert int(stretch.sum()) == pytest.approx(count / 10, abs=3)


GROUPS = {
    "threes": grouped([3] * 100),
    "uneven": grouped([1, 7, 2, 2, 9, 4, 1, 1, 5, 3] * 12),
    "one giant": grouped([2] * 60 + [80] + [2] * 60),
    "scattered": torch.arange(300) * 17 % 50,
    "not in order": grouped([4] * 60).flip(0) * 13 % 61,
}


@pytest.mark.parametrize("validation", [0.1, 0.25, 0.5, 0.9, 40])
@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_groups_stay_whole_and_the_count_is_met_to_within_one(groups, validation):
    total = len(groups)
    data = split(source(total, groups), validation)
    count = validation if isinstance(validation, int) else round(validation * total)
    assert abs(len(data.validation) - count) <= int(groups.bincount().max()) / 2
    assert not set(groups[data.validation.ids].tolist()) & set(groups[data.train.ids].tolist())


def test_groups_of_random_sizes_stay_whole_and_meet_the_count():
    draw = random.Random(0)
    for _ in range(50):
        sizes = [draw.randint(1, 8) for _ in range(draw.randint(10, 60))]
        groups, count = grouped(sizes), draw.randint(4, sum(sizes) - 4)
        data = split(source(len(groups), groups), count)
        assert abs(len(data.validation) - count) <= max(sizes) / 2
        assert not set(groups[data.validation.ids].tolist()) & set(groups[data.train.ids].tolist())


@pytest.mark.parametrize("sizes", [[3] * 400, [1, 5, 2, 4] * 100], ids=["threes", "uneven"])
def test_groups_are_spread_over_the_file(sizes):
    chosen = carved(split(source(1_200, grouped(sizes)), 240))
    for stretch in chosen.view(10, 120):
        assert int(stretch.sum()) == pytest.approx(24, abs=max(sizes))


def test_groups_of_one_image_give_the_exact_count():
    for count in (1, 7, 50, 99):
        assert len(split(source(100, torch.arange(100)), count).validation) == count


@pytest.mark.parametrize("groups", [None, grouped([3] * 100)], ids=["blocks", "groups"])
def test_no_random_state_is_read_or_changed(groups):
    chosen = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
        chosen.append(carved(split(source(300, groups), 0.1)))
        after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
        assert torch.equal(before[0], after[0])
        assert before[1:] == after[1:]
    assert torch.equal(*chosen)


@pytest.mark.parametrize("groups", [None, grouped([3] * 100)], ids=["blocks", "groups"])
@pytest.mark.parametrize("validation", [30, 0.1, 0.9])
def test_train_and_validation_are_the_whole_source_once_in_order(groups, validation):
    given = source(300, groups)
    data = split(given, validation)
    together = torch.cat([data.train.ids, data.validation.ids])
    assert together.sort().values.tolist() == list(range(300))
    for part in (data.train, data.validation):
        assert torch.equal(part.ids, part.ids.sort().values)
        assert torch.equal(part.images, given.train.images[part.ids])
        assert torch.equal(part.labels, given.train.labels[part.ids])
        assert part.labels.dtype == part.ids.dtype == torch.int64


def test_test_is_left_alone():
    given = source(100)
    assert split(given, 0.5).test is given.test


@pytest.mark.parametrize("none", [0, 0.0])
def test_zero_carves_nothing(none):
    given = source(100)
    data = split(given, none)
    assert data.validation is None
    assert data.train is given.train
    assert list(data.evaluated) == ["test"]


def test_what_is_evaluated_is_validation_and_test():
    data = split(source(100), 10)
    assert data.evaluated == {"validation": data.validation, "test": data.test}


@pytest.mark.parametrize(("validation", "count"), [(0.1, 30), (0.5, 150), (1, 1), (0.0034, 1)])
def test_a_float_is_a_fraction_and_an_int_a_count(validation, count):
    assert len(split(source(300), validation).validation) == count


@pytest.mark.parametrize("validation", [300, 301, 1.0, 0.9999, 1e-6])
def test_all_or_a_fraction_of_no_image_is_refused(validation):
    with pytest.raises(ConfigError, match=r"dataset\.validation = .* 300 training images"):
        split(source(300), validation)


@pytest.mark.parametrize("groups", [[100], [1, 99]], ids=["one", "one giant"])
def test_groups_that_cannot_be_divided_so_are_refused(groups):
    with pytest.raises(ConfigError, match=r"dataset\.groups=null"):
        split(source(100, grouped(groups)), 20)


def digest(data):
    """Of which images are for validation."""
    return hashlib.sha256(data.validation.ids.numpy().astype("<i8").tobytes()).hexdigest()[:16]


PINNED = {
    ("blocks", None): "f4786df3d598e7ec",
    ("blocks", 0): "2cfcaa2238885c80",
    ("groups", None): "2502357b1e955aaf",
    ("groups", 0): "24fce8bdec0c7c7a",
}


@pytest.mark.parametrize(("kind", "seed"), PINNED)
def test_the_same_images_everywhere_and_in_every_version(kind, seed):
    """Those of null are what it was before there was a seed: trajectories that are there are found
    again."""
    groups = None if kind == "blocks" else grouped([1, 7, 2, 2, 9, 4, 1, 1, 5, 3] * 12)
    assert digest(split(source(420, groups), 0.15, seed)) == PINNED[kind, seed]


def test_with_a_seed_every_count_is_met_in_blocks_of_the_tenths():
    draw = random.Random(0)
    for _ in range(200):
        total = draw.randint(2, 300)
        count, seed = draw.randint(1, total - 1), draw.randint(0, 2**63 - 1)
        chosen = carved(split(source(total), count, seed))
        assert int(chosen.sum()) == count
        # A block has two edges, or four where it goes on at its stretch's beginning.
        assert int((chosen[1:] != chosen[:-1]).sum()) <= 4 * min(10, count)


@pytest.mark.parametrize("count", [15, 1_000, 65_931])
def test_with_a_seed_each_tenth_of_the_file_gives_its_share(count):
    for seed in range(3):
        chosen = carved(split(source(73_257), count, seed))
        for stretch in torch.tensor_split(chosen, 10):
            assert int(stretch.sum()) == pytest.approx(
                count / 10, abs=5
            )  # ends of tenths differ by an image or two


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_with_a_seed_groups_stay_whole_and_the_count_is_met_to_within_one(groups):
    total, largest = len(groups), int(groups.bincount().max())
    for seed in range(20):
        for count in (total // 10, total // 2, 9 * total // 10):
            data = split(source(total, groups), count, seed)
            assert abs(len(data.validation) - count) <= largest / 2
            assert not set(groups[data.validation.ids].tolist()) & set(
                groups[data.train.ids].tolist()
            )


@pytest.mark.parametrize("groups", [None, grouped([3] * 100)], ids=["blocks", "groups"])
def test_a_seed_decides_the_split_and_another_another(groups):
    seeds = (None, *range(200), 2**63 - 1)
    found = [digest(split(source(300, groups), 0.1, seed)) for seed in seeds]
    assert len(set(found)) == len(seeds)
    torch.manual_seed(1)
    assert found == [digest(split(source(300, groups), 0.1, seed)) for seed in seeds]


@pytest.mark.parametrize("validation", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("groups", [None, grouped([3] * 100)], ids=["blocks", "groups"])
def test_over_seeds_every_image_is_validated_on_as_often(groups, validation):
    often = sum(
        carved(split(source(300, groups), validation, seed)).double() for seed in range(400)
    )
    spread = (validation * (1 - validation) / 400) ** 0.5
    assert float((often / 400 - validation).abs().max()) < 5 * spread


def test_what_groups_are_called_decides_nothing():
    groups = grouped([1, 7, 2, 2, 9, 4, 1, 1, 5, 3] * 12)
    named = (groups * 7_919) % 10_007
    assert digest(split(source(420, groups), 0.1, 5)) == digest(split(source(420, named), 0.1, 5))
