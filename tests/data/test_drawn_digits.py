"""The drawn house numbers: the contract of `generate`, and that the pictures show their labels."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from polyak.data import drawn_digits as house_numbers
from polyak.data.drawn_digits import CHUNK, CLASS_COUNTS, TEST_SIZE, TRAIN_SIZE, generate


@pytest.fixture(scope="module")
def train() -> tuple[Tensor, Tensor]:
    return generate("train", 3 * CHUNK + 500)


@pytest.fixture(scope="module")
def test() -> tuple[Tensor, Tensor]:
    return generate("test", CHUNK)


def test_shapes_and_types(train: tuple[Tensor, Tensor]) -> None:
    images, labels = train
    assert images.shape == (3 * CHUNK + 500, 3, 32, 32)
    assert images.dtype == torch.uint8
    assert labels.shape == (3 * CHUNK + 500,)
    assert labels.dtype == torch.int64
    assert images.is_contiguous()
    assert set(labels.tolist()) == set(range(10))


def test_sizes_are_those_of_svhn() -> None:
    assert (TRAIN_SIZE, TEST_SIZE) == (73_257, 26_032)
    assert sum(CLASS_COUNTS) == TRAIN_SIZE
    assert sum(house_numbers.LENGTH_SHARES) == pytest.approx(1)


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1])
def test_a_smaller_count_is_a_prefix(train: tuple[Tensor, Tensor], count: int) -> None:
    images, labels = generate("train", count)
    assert torch.equal(images, train[0][:count])
    assert torch.equal(labels, train[1][:count])
    assert images.untyped_storage().nbytes() == count * 3 * 32 * 32  # no hidden whole chunk


def test_images_are_those_of_the_chunks(train: tuple[Tensor, Tensor]) -> None:
    """And blurred all at once they are the same."""
    atlas = house_numbers._draw_atlas()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house_numbers, "PART", CHUNK)
        chunks = [
            house_numbers._draw_chunk(atlas, house_numbers._Random("train", 0, chunk))
            for chunk in (0, 3)
        ]
    for (images, labels), start, count in zip(chunks, (0, 3 * CHUNK), (CHUNK, 500), strict=True):
        assert torch.equal(images[:count], train[0][start : start + count])
        assert torch.equal(labels[:count], train[1][start : start + count])


def test_threads_do_not_change_the_images(test: tuple[Tensor, Tensor]) -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            images, labels = generate("test", CHUNK)
            assert torch.equal(images, test[0])
            assert torch.equal(labels, test[1])
    finally:
        torch.set_num_threads(before)


def test_splits_seeds_and_chunks_share_no_image(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]
) -> None:
    other_seed, _ = generate("train", CHUNK, seed=1)
    everything = torch.cat((train[0], test[0], other_seed)).flatten(1)
    assert len({image.numpy().tobytes() for image in everything}) == len(everything)


def test_global_random_state_is_neither_changed_nor_read(test: tuple[Tensor, Tensor]) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    images, _ = generate("test", 10)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(images, test[0][:10])


def test_classes_are_as_frequent_as_in_svhn(train: tuple[Tensor, Tensor]) -> None:
    labels = train[1]
    expected = torch.tensor(CLASS_COUNTS) / TRAIN_SIZE * len(labels)
    chi_square = ((labels.bincount(minlength=10) - expected) ** 2 / expected).sum().item()
    assert chi_square < 27.9  # 9 degrees of freedom, p = 0.001; equal frequencies would give 400


@pytest.mark.parametrize(
    ("split", "count", "seed", "message"),
    [
        ("validation", 10, 0, "split is 'validation'"),
        ("train", 0, 0, "count is 0"),
        ("train", TRAIN_SIZE + 1, 0, "count is 73258"),
        ("test", TEST_SIZE + 1, 0, "count is 26033"),
        ("test", 10, -1, "seed is -1"),
    ],
)
def test_errors_name_the_value(split: str, count: int, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(split, count, seed)  # type: ignore[arg-type]


def test_every_image_has_contrast(train: tuple[Tensor, Tensor]) -> None:
    grey = train[0].float().mean(1).flatten(1)
    assert grey.std(1).min() > 2  # of 255; the real crops' 5th percentile is 16
    spread = grey.quantile(0.95, dim=1) - grey.quantile(0.05, dim=1)
    assert (spread > 10).float().mean() > 0.99


def test_images_use_the_full_range_of_colour(train: tuple[Tensor, Tensor]) -> None:
    """Channels go together, as in photos, but images are not grey."""
    pixels = train[0].permute(1, 0, 2, 3).flatten(1).float() / 255
    assert ((pixels.mean(1) - 0.46).abs() < 0.06).all()
    assert ((pixels.std(1) - 0.225).abs() < 0.04).all()
    correlation = torch.corrcoef(pixels)
    assert 0.8 < correlation[0, 2] < 0.95


def test_the_labelled_digit_is_drawn_in_the_middle(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]
) -> None:
    """A nearest neighbour, blind to which of digit and ground is lighter, reads many digits."""

    def middle(images: Tensor) -> Tensor:
        grey = F.avg_pool2d(images.float().mean(1, keepdim=True), 2)[:, 0, 2:14, 3:13].flatten(1)
        return F.normalize(grey - grey.mean(1, keepdim=True), dim=1)

    likeness = (middle(test[0]) @ middle(train[0]).T).abs()
    accuracy = (train[1][likeness.argmax(1)] == test[1]).float().mean().item()
    assert accuracy > 0.45  # always saying 1 would give 0.19
