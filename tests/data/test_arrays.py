"""Images from .npz files: what is right is read as it is, what is wrong is named and refused."""

import io
import os
import sys
import zipfile

import numpy as np
import pytest
import torch

from polyak.data import arrays
from polyak.errors import DataError
from tests import own_memory

random = np.random.default_rng(0)


def pictures(count, *shape):
    return random.integers(0, 256, (count, *shape), dtype=np.uint8)


def contents(count=12, **changes):
    """Arrays of a good file, some replaced; those replaced by None are left out."""
    good = {
        "images": pictures(count, 4, 5, 3),
        "labels": np.arange(count) % 7,
        "source_image": np.arange(count) // 2,
    }
    return {name: array for name, array in (good | changes).items() if array is not None}


class Files:
    """train.npz and test.npz in a directory, good until they are written again."""

    def __init__(self, directory):
        self.train, self.test = directory / "train.npz", directory / "test.npz"
        np.savez(self.train, **contents(12))
        np.savez(self.test, **contents(8))

    def load(self, **options):
        return arrays.load(str(self.train), str(self.test), **options)

    def refused(self, *parts, **options):
        with pytest.raises(DataError) as caught:
            self.load(**options)
        for part in parts:
            assert part in str(caught.value)


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_images_become_channels_first(files, channels, save):
    shape = (6, 5) if channels is None else (6, 5, channels)
    for path, count in ((files.train, 12), (files.test, 8)):
        save(path, **contents(count, images=pictures(count, *shape)))
    source = files.load()
    for split, path in ((source.train, files.train), (source.test, files.test)):
        with np.load(path) as file:
            given = torch.from_numpy(file["images"]).view(len(split), 6, 5, channels or 1)
            assert torch.equal(split.labels, torch.from_numpy(file["labels"]).long())
        assert torch.equal(split.images, given.movedim(3, 1))
        assert split.images.dtype == torch.uint8
        assert split.images.is_contiguous()
        assert split.ids.tolist() == list(range(len(split)))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_are_the_same_however_many_are_read_at_a_time(files, save, monkeypatch):
    images = pictures(12, 4, 5, 3)
    save(files.train, **contents(12, images=images))
    for part in (1, 300, 1 << 20):  # one image, five, all
        monkeypatch.setattr(arrays, "PART", part)
        found = files.load().train.images
        assert np.array_equal(found.permute(0, 2, 3, 1).numpy(), images)
        assert found.is_contiguous()


WATCHED = """
found = arrays.load(*sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
def test_memory_is_a_tenth_more_than_the_images(tmp_path):
    paths = [tmp_path / "train.npz", tmp_path / "test.npz"]
    for path, count in zip(paths, (16_384, 4_096), strict=True):
        np.savez(path, **contents(count, images=np.ones((count, 32, 32, 3), np.uint8)))
    _, used = own_memory.beyond("import torch; from polyak.data import arrays", WATCHED, paths)
    assert used < 1.1 * 20_480 * 3072  # 60 MB


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64, ">i4"])
def test_labels_of_any_integer_type_become_int64(files, dtype):
    np.savez(files.train, **contents(labels=np.arange(12).astype(dtype)))
    labels = files.load().train.labels
    assert labels.dtype == torch.int64
    assert labels.tolist() == list(range(12))


def test_fortran_order_is_read_as_it_was_meant(files):
    images = pictures(12, 4, 5, 3)
    np.savez(files.train, **contents(images=np.asfortranarray(images)))
    assert np.array_equal(files.load().train.images.permute(0, 2, 3, 1).numpy(), images)


def test_source_describes_the_files(files):
    source = files.load()
    assert source.name == "train.npz"
    assert (len(source.train), len(source.test)) == (12, 8)
    assert not source.synthetic
    assert source.substitute_for is None
    assert files.load(name="mine").name == "mine"


def test_origin_does_not_depend_on_the_folder(files, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    assert Files(tmp_path / "elsewhere").load().origin == files.load().origin


@pytest.mark.parametrize(("train", "test"), [(3, 9), (9, 3)])
def test_classes_are_one_more_than_the_largest_label_of_both_files(files, train, test):
    np.savez(files.train, **contents(labels=np.arange(12) % (train + 1)))
    np.savez(files.test, **contents(labels=np.arange(12) % (test + 1)))
    assert files.load().classes == 10


def test_classes_do_not_depend_on_limits(files):
    assert files.load(limit_train=2, limit_test=2).classes == files.load().classes == 7


def test_classes_can_be_more_than_the_labels_show(files):
    assert files.load(classes=100).classes == 100


@pytest.mark.parametrize("which", ["train", "test"])
def test_labels_beyond_the_classes_are_refused(files, which):
    np.savez(files.train, **contents(labels=np.zeros(12, np.int64)))
    np.savez(files.test, **contents(labels=np.zeros(12, np.int64)))
    path = getattr(files, which)
    np.savez(path, **contents(labels=np.arange(12)))
    assert files.load(classes=12).classes == 12
    files.refused(str(path), "labels", "11", "dataset.classes = 11", classes=11)


def test_limits_keep_the_first_images_and_their_groups(files):
    whole, part = files.load(), files.load(limit_train=5, limit_test=3)
    assert (len(part.train), len(part.test)) == (5, 3)
    assert torch.equal(part.train.images, whole.train.images[:5])
    assert torch.equal(part.train.labels, whole.train.labels[:5])
    assert torch.equal(part.groups, whole.groups[:5])


def test_a_limit_above_the_size_keeps_all(files):
    assert len(files.load(limit_train=1000).train) == 12


@pytest.mark.parametrize(
    "given",
    [
        np.arange(12) // 2,
        np.array(list("aabbccddeeff")),
        np.repeat([9, -4, 7, 3, 1000, 0], 2).astype(np.int16),
        np.repeat([0.5, 2.5, 1.5, -1, 8, 9], 2),
    ],
    ids=["integers", "strings", "unsorted", "floats"],
)
def test_groups_are_numbers_that_are_equal_where_the_array_is(files, given):
    np.savez(files.train, **contents(source_image=given))
    groups = files.load().groups
    assert groups.dtype == torch.int64
    assert np.array_equal(
        groups.numpy()[:, None] == groups.numpy(), np.asarray(given)[:, None] == given
    )


def test_an_absent_group_array_is_ignored_where_none_was_named(files):
    np.savez(files.train, **contents(source_image=None))
    assert files.load().groups is None


def test_a_group_array_that_was_named_must_be_there(files):
    with pytest.raises(DataError, match=r"train\.npz: there is no array 'photo', only \["):
        files.load(groups="photo")


def test_labels_beyond_the_number_of_images_are_no_class_numbers(files):
    np.savez(files.train, **contents(labels=np.full(12, 10**12)))
    with pytest.raises(DataError, match=r"labels go up to 1000000000000 with 12 images"):
        files.load()


def test_groups_null_ignores_the_array(files):
    assert files.load(groups=None).groups is None


def test_groups_of_the_test_file_do_not_matter(files):
    np.savez(files.test, **contents(source_image=np.arange(3)))
    assert files.load().groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


BAD = {
    "no images": ("images", None),
    "no labels": ("labels", None),
    "float images": ("images", np.zeros((12, 4, 5, 3), np.float32)),
    "int64 images": ("images", np.zeros((12, 4, 5, 3), np.int64)),
    "bool images": ("images", np.zeros((12, 4, 5, 3), bool)),
    "flat images": ("images", np.zeros((12, 60), np.uint8)),
    "one number": ("images", np.uint8(3)),
    "five dimensions": ("images", np.zeros((12, 4, 5, 3, 1), np.uint8)),
    "no images in it": ("images", np.zeros((0, 4, 5, 3), np.uint8)),
    "no channels": ("images", np.zeros((12, 4, 5, 0), np.uint8)),
    "no pixels": ("images", np.zeros((12, 0, 5), np.uint8)),
    "float labels": ("labels", np.zeros(12)),
    "bool labels": ("labels", np.zeros(12, bool)),
    "text labels": ("labels", np.array(["cat"] * 12)),
    "too few labels": ("labels", np.zeros(11, np.int64)),
    "too many labels": ("labels", np.zeros(13, np.int64)),
    "a column of labels": ("labels", np.zeros((12, 1), np.int64)),
    "one-hot labels": ("labels", np.zeros((12, 10), np.int64)),
    "one label": ("labels", np.int64(3)),
    "negative label": ("labels", np.array([0] * 11 + [-1])),
    "label beyond int64": ("labels", np.array([0] * 11 + [2**64 - 5], np.uint64)),
    "labels as objects": ("labels", np.array([0] * 12, dtype=object)),
}


@pytest.mark.parametrize("which", ["train", "test"])
@pytest.mark.parametrize(("name", "array"), BAD.values(), ids=BAD)
def test_a_wrong_array_is_named_with_its_file(files, which, name, array):
    path = getattr(files, which)
    np.savez(path, **contents(**{name: array}))
    files.refused(str(path), name)


@pytest.mark.parametrize("groups", [np.arange(11), np.arange(13), np.zeros((12, 2)), np.int64(1)])
def test_groups_that_do_not_fit_are_named(files, groups):
    np.savez(files.train, **contents(photo=groups))
    files.refused(str(files.train), "photo", "[12]", groups="photo")


@pytest.mark.parametrize("shape", [(5, 4, 3), (4, 5, 1), (4, 5), (8, 8, 3)])
def test_shapes_that_differ_between_the_files_are_refused(files, shape):
    np.savez(files.test, **contents(images=pictures(12, *shape)))
    files.refused(str(files.train), str(files.test), "images")


def overwrite(path, content):
    path.write_bytes(content)


def as_npy(path):
    with path.open("wb") as file:
        np.save(file, contents()["images"])


NOT_NPZ = {
    "empty": lambda path: overwrite(path, b""),
    "text": lambda path: overwrite(path, b"images,labels\n1,2\n"),
    "zeros": lambda path: overwrite(path, bytes(1000)),
    "a .npy file": as_npy,
    "a truncated .npy file": lambda path: (as_npy(path), overwrite(path, path.read_bytes()[:200])),
    "missing": lambda path: path.unlink(),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("which", ["train", "test"])
@pytest.mark.parametrize("spoil", NOT_NPZ.values(), ids=NOT_NPZ)
def test_what_is_no_npz_file_is_named(files, which, spoil):
    path = getattr(files, which)
    spoil(path)
    files.refused(str(path))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_file_cut_off_anywhere_is_refused(files, save):
    save(files.train, **contents())
    whole = files.train.read_bytes()
    for length in range(0, len(whole), 7):
        files.train.write_bytes(whole[:length])
        files.refused(str(files.train))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_changed_byte_is_refused_or_leaves_images_and_labels_as_they_were(files, save):
    """Whatever zipfile, zlib and numpy raise for it, it is a DataError that names the file."""
    save(files.train, **contents())
    whole, wanted = files.train.read_bytes(), files.load()
    noise, refusals = np.random.default_rng(1), []
    for position in noise.permutation(len(whole))[:200]:
        damaged = bytearray(whole)
        damaged[position] ^= noise.integers(1, 256)
        files.train.write_bytes(damaged)
        try:
            source = files.load()
        except DataError as error:
            refusals.append(str(error))
        else:
            assert source.train.digest() == wanted.train.digest()
    assert len(refusals) > 100
    assert all(str(files.train) in refusal for refusal in refusals)


def test_members_that_are_no_arrays_are_refused(files):
    with zipfile.ZipFile(files.train, "w") as file:
        file.writestr("images", "hello")
        file.writestr("labels", "world")
    files.refused(str(files.train), "images")


class Payload:
    """Unpickled, it makes a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["images", "labels", "source_image"])
@pytest.mark.parametrize("whole", [False, True], ids=["in an array", "as the file"])
def test_nothing_is_unpickled(files, tmp_path, name, whole):
    made = tmp_path / "made"
    objects = np.array([Payload(made)] * 12, dtype=object)
    if whole:
        files.train.write_bytes(objects.dumps())
    else:
        np.savez(files.train, **contents(**{name: objects}))
    files.refused(str(files.train), *([] if whole else [name]))
    assert not made.exists()


def test_the_payload_would_have_worked(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, images=np.array([Payload(tmp_path / "made")], dtype=object))
    buffer.seek(0)
    np.load(buffer, allow_pickle=True)["images"]
    assert (tmp_path / "made").exists()


def test_images_with_the_channels_first_are_refused(tmp_path):
    path = tmp_path / "train.npz"
    np.savez(path, images=np.zeros((4, 3, 32, 32), np.uint8), labels=np.zeros(4, np.uint8))
    with pytest.raises(DataError, match=r"train\.npz: images .* looks like \[N, C, H, W\]"):
        arrays.load(str(path), str(path))
