"""The first images of a source, and the identity of a split's content."""

import hashlib

import pytest
import torch

from polyak.data.dataset import make_split
from polyak.data.splitting import split
from tests.data.numbered import source


@pytest.mark.parametrize("limit", [None, 1, 5, 50, 51])
def test_make_split_keeps_the_first(limit):
    made = source(50, limit=limit).train
    count = min(limit or 50, 50)
    assert len(made) == len(made.images) == count
    assert made.ids.tolist() == list(range(count))


def test_make_split_gives_contiguous_images_and_int64_labels():
    images = torch.zeros(4, 5, 6, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    made = make_split(images, torch.zeros(4, dtype=torch.uint8), None)
    assert made.images.is_contiguous()
    assert made.labels.dtype == torch.int64


def test_input_shape_is_channels_height_width():
    assert split(source(10), 0).input_shape == (1, 1, 2)


def small(images, labels):
    return make_split(images, labels, None)


@pytest.fixture
def images():
    stream = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, 3, 4, 5), dtype=torch.uint8, generator=stream)


LABELS = torch.tensor([0, 1, 2, 3, 4, 5])


def test_digest_is_the_plain_hash_of_shape_images_and_labels(images):
    content = bytes(images.flatten().tolist()) + LABELS.numpy().astype("<i8").tobytes()
    wanted = hashlib.sha256(b"[6, 3, 4, 5]" + content).hexdigest()
    assert small(images, LABELS).digest() == wanted


def test_digest_is_equal_for_equal_content_however_made(images):
    wanted = small(images, LABELS).digest()
    assert small(images.clone(), LABELS.clone()).digest() == wanted
    assert small(images.to(memory_format=torch.channels_last), LABELS).digest() == wanted
    assert small(images, LABELS.to(torch.uint8)).digest() == wanted
    doubled = make_split(torch.cat([images, images]), torch.cat([LABELS, LABELS]), 6)
    assert doubled.digest() == wanted
    assert make_split(images, LABELS, 100).digest() == wanted


def test_a_carved_part_has_the_digest_of_the_same_images_elsewhere():
    given = source(300)
    part = split(given, 0.1).validation
    assert (
        part.digest() == small(given.train.images[part.ids], given.train.labels[part.ids]).digest()
    )


def test_digest_sees_one_pixel_one_label_order_and_shape(images):
    pixel, label = images.clone(), LABELS.clone()
    pixel[-1, -1, -1, -1] ^= 1
    label[-1] = 0
    others = [
        small(images, LABELS),
        small(pixel, LABELS),
        small(images, label),
        small(images.flip(0), LABELS.flip(0)),
        small(images.view(6, 3, 5, 4), LABELS),
        make_split(images, LABELS, 5),
    ]
    assert len({other.digest() for other in others}) == len(others)


@pytest.mark.parametrize(
    ("described", "title"),
    [
        ({}, "numbers"),
        ({"synthetic": True}, "numbers (synthetic)"),
        ({"synthetic": True, "substitute_for": "SVHN"}, "numbers (synthetic, NOT SVHN)"),
    ],
)
def test_title_says_what_the_data_are_not(described, title):
    data = split(source(10, **described), 2)
    assert data.title == title
    assert data.substitute_for == described.get("substitute_for")
    assert data.synthetic == described.get("synthetic", False)


SORTED = torch.arange(10).repeat_interleave(100)
SHUFFLED = SORTED[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]
TWO_ALTERNATE = torch.cat([torch.arange(2).repeat(100), torch.arange(10).repeat(80)])


@pytest.mark.parametrize(
    ("labels", "limit", "warning"),
    [
        (SORTED, 300, "have none of class 3, 4, 5, 6, 7, 8, 9; is the data sorted by class?"),
        (SORTED, 1000, ""),
        (SORTED, None, ""),
        (SHUFFLED, 100, ""),
        (SHUFFLED, 500, ""),
        (TWO_ALTERNATE, 250, "of class 0, which is 18 % of all"),
    ],
)
def test_a_limit_that_takes_no_fair_sample_is_warned_about(labels, limit, warning, caplog):
    images = torch.zeros(len(labels), 1, 1, 2, dtype=torch.uint8)
    made = make_split(images, labels, limit, "test")
    assert torch.equal(made.labels, labels[:limit])  # the images it takes are the first
    assert bool(caplog.text) == bool(warning)
    assert warning in caplog.text
    assert not warning or f"dataset.limit_test = {limit}: " in caplog.text
