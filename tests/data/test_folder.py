"""A directory per class: read once, in an order that is no class's, and kept on disk."""

import os
import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from polyak.data import folder, image_files
from polyak.data.splitting import split
from polyak.errors import DataError

CLASSES = ["cat", "dog", "owl"]


def picture(seed, height=6, width=5):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


class Pets:
    """pets/train with 12 images of 3 classes and pets/test with 6; `reads` lists what is opened."""

    def __init__(self, tmp_path, monkeypatch):
        self.root, self.datasets = tmp_path / "pets", tmp_path / "datasets"
        for part, count in (("train", 4), ("test", 2)):
            for number, name in enumerate(CLASSES):
                (self.root / part / name).mkdir(parents=True)
                for index in range(count):
                    seed = 100 * number + 10 * index + (part == "test")
                    picture(seed).save(self.root / part / name / f"{index}.png")
        self.reads, lock = [], threading.Lock()

        def read(path, *options):
            with lock:
                self.reads.append(path)
            return image_files.read(path, *options)

        monkeypatch.setattr(folder, "read", read)

    def load(self, train=None, test=None, **options):
        train, test = train or self.root / "train", test or self.root / "test"
        return folder.load(str(self.datasets), str(train), str(test), **options)

    def refused(self, *parts, **options):
        with pytest.raises(DataError) as caught:
            self.load(**options)
        for part in parts:
            assert str(part) in str(caught.value)
        return str(caught.value)

    @property
    def kept(self):
        return sorted((self.datasets / "folder").glob("*.safetensors"))

    def opened(self):
        """How many files were opened since this was last asked."""
        count = len(set(self.reads))
        self.reads.clear()
        return count


@pytest.fixture
def pets(tmp_path, monkeypatch):
    return Pets(tmp_path, monkeypatch)


def digests(source):
    return source.train.digest(), source.test.digest()


def test_images_and_labels_are_those_of_the_files(pets):
    source = pets.load()
    for part, found in (("train", source.train), ("test", source.test)):
        files = image_files.scan(pets.root / part, "")
        assert found.images.dtype == torch.uint8
        assert found.labels.dtype == torch.int64
        assert found.images.is_contiguous()
        assert found.labels.tolist() == [CLASSES.index(file.class_name) for file in files]
        for image, file in zip(found.images, files, strict=True):
            with Image.open(file.path) as wanted:
                assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(wanted))
    assert (len(source.train), len(source.test), source.classes) == (12, 6, 3)
    assert (source.synthetic, source.groups, source.substitute_for) == (False, None, None)


def test_no_order_of_classes_is_left(pets):
    labels = pets.load().train.labels.tolist()
    assert labels not in (sorted(labels), sorted(labels, reverse=True))
    data = split(pets.load(), 0.5)
    assert set(data.validation.labels.tolist()) == {0, 1, 2}


def test_name_and_origin(pets):
    assert pets.load().name == "pets"
    assert pets.load(name="mine").name == "mine"
    shutil.move(pets.root / "test", pets.root.parent / "others")
    apart = pets.load(test=pets.root.parent / "others")
    assert (apart.name, apart.origin) == ("train", "folder: train, others")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [None, (6, 5), [4, 9]])
def test_size_and_channels(pets, channels, size):
    source = pets.load(size=size, channels=channels)
    height, width = size or (6, 5)
    for part in (source.train, source.test):
        assert part.images.shape[1:] == (channels, height, width)
    assert len(split(source, 2).train) == 10


def test_the_first_load_reads_the_files_and_the_second_the_cache(pets):
    first = pets.load()
    assert pets.opened() == 18
    assert len(pets.kept) == 2
    second = pets.load()
    assert pets.opened() == 0
    assert digests(second) == digests(first)
    assert second.train.labels.tolist() == first.train.labels.tolist()
    assert [path.stat().st_mode & 0o777 for path in pets.kept] == [0o444, 0o444]


def test_what_is_done_to_the_images_does_not_reach_the_cache(pets):
    wanted = digests(pets.load())
    pets.load().train.images.zero_()
    assert digests(pets.load()) == wanted


def test_the_cache_is_found_where_the_images_were_moved(pets, tmp_path):
    wanted = digests(pets.load())
    shutil.move(pets.root, tmp_path / "elsewhere")
    pets.root = tmp_path / "elsewhere"
    pets.opened()
    assert digests(pets.load()) == wanted
    assert pets.opened() == 0


@pytest.mark.parametrize("options", [{"size": (6, 4)}, {"size": (6, 5)}, {"channels": 1}])
def test_other_parameters_are_other_files(pets, options):
    first = pets.load()
    pets.opened()
    changed = pets.load(**options)
    assert pets.opened() == 18
    assert len(pets.kept) == 4
    assert (digests(changed) == digests(first)) == (options == {"size": (6, 5)})
    assert digests(pets.load()) == digests(first)
    assert pets.opened() == 0


def test_a_limit_reads_only_so_many_files_the_first(pets):
    part = pets.load(limit_train=5, limit_test=3)
    assert pets.opened() == 8
    whole = pets.load()
    assert torch.equal(part.train.images, whole.train.images[:5])
    assert torch.equal(part.test.images, whole.test.images[:3])
    assert part.train.labels.tolist() == whole.train.labels[:5].tolist()
    assert part.train.ids.tolist() == [0, 1, 2, 3, 4]
    assert part.classes == 3
    pets.opened()
    assert digests(pets.load(limit_train=5, limit_test=3)) == digests(part)
    assert pets.opened() == 0
    assert digests(pets.load(limit_train=99, limit_test=99)) == digests(whole)


def test_a_limit_that_leaves_a_class_out_is_warned_about(pets, caplog):
    pets.load(limit_train=1)
    assert "dataset.limit_train = 1: the first images have none of class" in caplog.text


def renamed(root):
    (root / "train/cat/0.png").rename(root / "train/cat/00.png")


def touched(root):
    status = (root / "train/cat/0.png").stat()
    times = (status.st_atime_ns, status.st_mtime_ns + 1)
    os.utime(root / "train/cat/0.png", ns=times)


def added(root):
    picture(99).save(root / "train/cat/9.png")


def replaced(root):
    picture(99).save(root / "train/cat/0.png")


def removed(root):
    (root / "train/cat/0.png").unlink()


def moved_to_another_class(root):
    (root / "train/cat/0.png").rename(root / "train/dog/9.png")


@pytest.mark.parametrize(
    "change", [renamed, touched, added, replaced, removed, moved_to_another_class]
)
def test_changed_files_are_read_again(pets, change):
    pets.load()
    pets.opened()
    change(pets.root)
    found = pets.load()
    assert pets.opened() == len(image_files.scan(pets.root / "train", ""))  # none of test
    shutil.rmtree(pets.datasets)
    assert digests(pets.load()) == digests(found)


def test_other_images_of_the_same_names_sizes_and_times_are_told_apart(pets, tmp_path):
    for path in pets.root.rglob("*.png"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".bmp"))  # whose size follows from that of the image
        path.unlink()
        os.utime(path.with_suffix(".bmp"), ns=(0, 0))
    first = pets.load()
    shutil.copytree(pets.root, tmp_path / "others")
    for path in (tmp_path / "others").rglob("*.bmp"):
        content = path.read_bytes()
        path.write_bytes(content[:-90] + content[-90:][::-1])
        os.utime(path, ns=(0, 0))
    described = [
        [(file.name, file.length, file.modified) for file in image_files.scan(root / "train", "")]
        for root in (pets.root, tmp_path / "others")
    ]
    assert described[0] == described[1]
    pets.root = tmp_path / "others"
    pets.opened()
    assert digests(pets.load()) != digests(first)
    assert pets.opened() == 18


@pytest.mark.parametrize("content", [b"", b"hello" * 100, None])
def test_a_damaged_cache_is_made_again(pets, content):
    wanted = digests(pets.load())
    pets.opened()
    (path,) = [path for path in pets.kept if path.name.startswith("train")]
    content = path.read_bytes()[:-1] if content is None else content
    path.unlink()
    path.write_bytes(content)
    assert digests(pets.load()) == wanted
    assert pets.opened() == 12
    assert digests(pets.load()) == wanted
    assert pets.opened() == 0


def test_an_interrupted_reading_leaves_no_cache(pets, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pets.load()
    assert pets.kept == []
    assert len(pets.load().train) == 12


def test_many_at_once_read_once(pets):
    at_once, found = threading.Barrier(4), []

    def load():
        at_once.wait()
        found.append(digests(pets.load()))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    # Each split's first image is opened twice, for its shape.
    assert len(pets.reads) == 18 + 2
    assert len(pets.kept) == 2


# What is refused.


@pytest.mark.parametrize("part", ["train", "test"])
def test_mixed_sizes_need_a_size(pets, part):
    first, *_, last = image_files.scan(pets.root / part, "")
    picture(0, 7, 8).save(last.path)
    message = pets.refused(first.path, last.path, "is 7x8 (height x width)", "dataset.size=[6,5]")
    assert message.count("6x5") == 1
    assert pets.load(size=(6, 5)).train.images.shape == (12, 3, 6, 5)


def test_train_and_test_of_two_sizes_need_a_size(pets):
    for path in (pets.root / "test").rglob("*.png"):
        picture(0, 7, 8).save(path)
    pets.refused(pets.root / "test", pets.root / "train", "is 7x8", "6x5", "dataset.size=[6,5]")
    assert pets.load(size=(6, 5)).test.images.shape == (6, 3, 6, 5)


@pytest.mark.parametrize("part", ["train", "test"])
def test_other_classes_in_one_of_both_are_refused(pets, part):
    (pets.root / part / "owl").rename(pets.root / part / "eel")
    other = {"train": "test", "test": "train"}[part]
    message = pets.refused("class 'eel'", "(2 such)", pets.root / "train", pets.root / "test")
    assert f"'eel' is in {pets.root / part} alone" in message
    shutil.rmtree(pets.root / part / "eel")
    assert f"'owl' is in {pets.root / other} alone" in pets.refused("(1 such)")


def test_directories_that_are_not_there_are_named_with_their_keys(pets):
    for key in ("train", "test"):
        pets.refused(f"dataset.{key} = /nowhere: there is no such", **{key: "/nowhere"})


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_file_that_is_no_image_is_named(pets, part):
    path = pets.root / part / "cat" / "notes.txt"
    path.write_text("hello")
    pets.refused(path, "no image")
    path.rename(path.with_name(".notes.txt"))
    assert pets.load().classes == 3


def test_a_file_that_goes_away_is_named(pets, monkeypatch):
    found = image_files.scan(pets.root / "train", "")
    monkeypatch.setattr(folder, "scan", lambda *_: found)
    found[0].path.unlink()
    pets.refused(found[0].path, "No such file")
