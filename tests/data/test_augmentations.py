"""Each augmentation against a loop over images in numpy, and its random numbers by their counts."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from polyak.data.augmentations.crop import Crop
from polyak.data.augmentations.crop_flip import CropFlip
from polyak.data.augmentations.cutout import Cutout
from polyak.data.augmentations.none import Identity
from polyak.errors import ConfigError

ALL = [
    Identity(),
    Crop(),
    Crop(pad=1),
    CropFlip(pad=3),
    Cutout(size=6),
    Cutout(pad=2, flip=False, size=5, fill=7),
]
SHAPES = [(5, 3, 12, 12), (4, 1, 8, 15), (3, 4, 14, 7), (1, 2, 9, 9), (0, 3, 12, 12)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images_of(shape, seed=0):
    return torch.randint(256, shape, dtype=torch.uint8, generator=seeded(seed))


def naive(augmentation, images, drawn):
    """Image by image, as torchvision's transforms and the code of DeVries and Taylor do it."""
    changed = []
    for image, numbers in zip(images.numpy(), drawn.tolist(), strict=True):
        if not isinstance(augmentation, Identity):
            _, height, width = image.shape
            top, left, *numbers = numbers
            sides = (augmentation.pad, augmentation.pad)
            image = np.pad(image, ((0, 0), sides, sides))
            image = image[:, top : top + height, left : left + width]
        if isinstance(augmentation, CropFlip | Cutout):
            flipped, *numbers = numbers
            image = image[:, :, ::-1] if flipped else image
        if isinstance(augmentation, Cutout):
            row, column = numbers
            image, size = image.copy(), augmentation.size
            above, before = row - size // 2, column - size // 2
            rows = slice(max(above, 0), min(above + size, height))
            image[:, rows, max(before, 0) : min(before + size, width)] = augmentation.fill
        changed.append(image)
    return torch.from_numpy(np.stack(changed)) if changed else images


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("augmentation", ALL, ids=str)
def test_it_is_what_a_loop_over_images_gives(augmentation, shape):
    images = images_of(shape)
    before = images.clone()
    for seed in range(5):
        drawn = augmentation.draw(len(images), *shape[2:], seeded(seed))
        found = augmentation.apply(images, drawn)
        assert (found.shape, found.dtype) == (images.shape, torch.uint8)
        assert torch.equal(found, naive(augmentation, images, drawn))
        assert torch.equal(images, before)


@pytest.mark.parametrize("augmentation", ALL, ids=str)
def test_every_image_gets_its_own(augmentation):
    images = images_of((1, 3, 12, 12)).expand(200, -1, -1, -1)
    found = augmentation.apply(images, augmentation.draw(200, 12, 12, seeded()))
    different = len({image.numpy().tobytes() for image in found})
    assert different == 1 if isinstance(augmentation, Identity) else different >= 9


@pytest.mark.parametrize("augmentation", ALL, ids=str)
def test_any_memory_format_gives_the_same_images(augmentation):
    images = images_of((6, 3, 12, 10))
    drawn = augmentation.draw(6, 12, 10, seeded())
    wanted = augmentation.apply(images, drawn)
    assert wanted.is_contiguous()
    last = augmentation.apply(images.contiguous(memory_format=torch.channels_last), drawn)
    assert torch.equal(last, wanted)
    assert last.is_contiguous(memory_format=torch.channels_last)
    view = images_of((12, 3, 12, 20))[::2, :, :, ::2]
    assert torch.equal(
        augmentation.apply(view, drawn), augmentation.apply(view.contiguous(), drawn)
    )


@pytest.mark.parametrize("augmentation", ALL, ids=str)
def test_nothing_waits_for_the_device(augmentation):
    """On the meta device tensors have no values: whatever looks at one is an error."""
    drawn = augmentation.draw(4, 12, 12, seeded()).to("meta")
    images = images_of((4, 3, 12, 12)).to("meta")
    found = augmentation.apply(images, drawn)
    assert (found.device.type, found.shape) == ("meta", images.shape)


@pytest.mark.parametrize("augmentation", ALL, ids=str)
def test_neither_number_nor_order_of_images_changes_what_becomes_of_one(augmentation):
    drawn = augmentation.draw(3000, 12, 12, seeded(3))
    assert drawn.dtype == torch.int64
    for count in (1, 5, 9, 1000):
        assert torch.equal(augmentation.draw(count, 12, 12, seeded(3)), drawn[:count])
    images = images_of((64, 3, 12, 12))
    whole = augmentation.apply(images, drawn[:64])
    order = torch.randperm(64, generator=seeded(4))
    batches = [augmentation.apply(images[b], drawn[b]) for b in order.split(24)]
    assert torch.equal(torch.cat(batches), whole[order])


@pytest.mark.parametrize("augmentation", ALL[1:], ids=str)
def test_other_seeds_draw_otherwise(augmentation):
    one, other = (augmentation.draw(100, 12, 12, seeded(seed)) for seed in (0, 1))
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("augmentation", "sizes"),
    [
        (Crop(), (9, 9)),
        (CropFlip(pad=2), (5, 5, 2)),
        (Cutout(pad=1), (3, 3, 2, 16, 11)),
        (Cutout(pad=1, flip=False), (3, 3, 1, 16, 11)),
    ],
    ids=str,
)
def test_all_values_are_equally_likely_and_independent(augmentation, sizes):
    drawn = augmentation.draw(60_000, 16, 11, seeded()).numpy()
    assert drawn.shape == (60_000, len(sizes))
    assert (drawn.min(0), drawn.max(0) + 1) == (pytest.approx(0), pytest.approx(sizes))
    for first, size in enumerate(sizes):
        if size == 1:
            continue
        assert chisquare(np.bincount(drawn[:, first], minlength=size)).pvalue > 1e-6
        for second in range(first + 1, len(sizes)):
            pairs = drawn[:, first] * sizes[second] + drawn[:, second]
            assert chisquare(np.bincount(pairs, minlength=size * sizes[second])).pvalue > 1e-6


def test_a_crop_in_the_middle_is_the_image():
    images = images_of((2, 3, 8, 8))
    assert torch.equal(Crop(pad=3).apply(images, torch.full((2, 2), 3)), images)
    mirrored = CropFlip(pad=3).apply(images, torch.tensor([[3, 3, 1], [3, 3, 0]]))
    assert torch.equal(mirrored[0], images[0].flip(2))
    assert torch.equal(mirrored[1], images[1])


def test_a_square_at_the_border_is_clipped():
    drawn = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 0, 5, 5], [1, 1, 0, 9, 9]])
    found = Cutout(pad=1, size=4, fill=9).apply(torch.zeros(3, 1, 10, 10, dtype=torch.uint8), drawn)
    assert (found == 9).sum((1, 2, 3)).tolist() == [2 * 2, 4 * 4, 3 * 3]
    assert set(found.unique().tolist()) == {0, 9}


@pytest.mark.parametrize(
    ("augmentation", "height", "width", "key"),
    [
        (Crop(pad=8), 8, 32, "augmentation.pad = 8: .* 8 x 32 .*; allowed: below 8"),
        (CropFlip(pad=9), 32, 8, "augmentation.pad = 9: .* 32 x 8 .*; allowed: below 8"),
        (Cutout(pad=8), 8, 8, "augmentation.pad = 8"),
        (Cutout(size=17), 32, 16, "augmentation.size = 17: .*; allowed: at most 16"),
    ],
    ids=str,
)
def test_images_that_are_too_small_are_refused(augmentation, height, width, key):
    with pytest.raises(ConfigError, match=key):
        augmentation.check(height, width)


@pytest.mark.parametrize("augmentation", [Identity(), Crop(7), CropFlip(7), Cutout(7, size=8)])
def test_images_that_are_just_large_enough_are_not(augmentation):
    augmentation.check(8, 9)
    images = images_of((3, 1, 8, 9))
    drawn = augmentation.draw(3, 8, 9, seeded())
    assert torch.equal(augmentation.apply(images, drawn), naive(augmentation, images, drawn))
