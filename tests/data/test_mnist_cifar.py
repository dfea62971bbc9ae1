"""MNIST's kind and CIFAR from files in the published formats, small here, with MD5s to match."""

import dataclasses
import gzip
import hashlib
import io
import pickle
import socket
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from polyak.data import download, mnist_cifar
from polyak.data.mnist_cifar import CIFAR, MNIST_KIND
from polyak.errors import DataError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
IDX_NAMES = [
    f"{split}-{what}-ubyte.gz"
    for split in ("train", "t10k")
    for what in ("images-idx3", "labels-idx1")
]
COUNTS = {"train": 30, "test": 20}


def md5(content):
    return hashlib.md5(content).hexdigest()


class Published:
    """A data set of 30 + 20 images: what its files hold, their bytes, and where they go."""

    def __init__(self, name, tmp_path):
        self.name, self.datasets = name, tmp_path / "datasets"
        stream = np.random.default_rng(0)
        shape = (3, 32, 32) if name in CIFAR else (1, 28, 28)
        self.classes = 100 if name == "cifar100" else 10
        self.images = {
            split: stream.integers(0, 256, (count, *shape), dtype=np.uint8)
            for split, count in COUNTS.items()
        }
        self.labels = {
            split: np.arange(count, dtype=np.uint8) * 7 % self.classes
            for split, count in COUNTS.items()
        }
        self.bytes = self.archive() if name in CIFAR else self.idx()

    def idx(self):
        found = []
        for split in COUNTS:
            for array in (self.images[split][:, 0], self.labels[split]):
                head = bytes([0, 0, 8, array.ndim])
                head += b"".join(size.to_bytes(4, "big") for size in array.shape)
                found.append(gzip.compress(head + array.tobytes()))
        return dict(zip(IDX_NAMES, found, strict=True))

    def archive(self):
        rows = {}
        for split, labels in self.labels.items():
            columns = [labels[:, None], self.images[split].reshape(len(labels), -1)]
            if self.name == "cifar100":
                columns.insert(0, labels[:, None] // 5)  # the superclass
            rows[split] = np.hstack(columns)
        if self.name == "cifar10":
            parts = np.split(rows["train"], 5)
            # Out of order, as they are in the real one.
            members = {f"cifar-10-batches-bin/data_batch_{n}.bin": parts[n - 1] for n in (3, 1, 2)}
            members["cifar-10-batches-bin/test_batch.bin"] = rows["test"]
            members |= {f"cifar-10-batches-bin/data_batch_{n}.bin": parts[n - 1] for n in (5, 4)}
        else:
            members = {f"cifar-100-binary/{split}.bin": rows[split] for split in ("test", "train")}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, array in members.items():
                content = array.tobytes()
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return {CIFAR[self.name].archive: buffer.getvalue()}

    def known(self, monkeypatch, *, content=None):
        """Have these be the files that are published, at addresses where nobody answers."""
        with socket.create_server(("127.0.0.1", 0)) as closed:
            site = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        if self.name in CIFAR:
            (content,) = self.bytes.values()
            changed = dataclasses.replace(CIFAR[self.name], md5=md5(content))
            monkeypatch.setattr(mnist_cifar, "_SITE", site)
            monkeypatch.setattr(mnist_cifar, "CIFAR", {**CIFAR, self.name: changed})
        else:
            changed = dataclasses.replace(MNIST_KIND[self.name], content=content or {})
            known = changed.known
            monkeypatch.setattr(known, "mirrors", [site])
            resources = [(name, md5(content)) for name, content in self.bytes.items()]
            monkeypatch.setattr(known, "resources", resources)
            monkeypatch.setattr(mnist_cifar, "MNIST_KIND", {**MNIST_KIND, self.name: changed})

    @property
    def folder(self):
        return self.datasets / self.name

    def put(self, folder=None):
        folder = folder or self.folder
        folder.mkdir(parents=True)
        for name, content in self.bytes.items():
            (folder / name).write_bytes(content)

    def load(self, **options):
        return mnist_cifar.load(str(self.datasets), name=self.name, **options)

    def refused(self, **options):
        with pytest.raises(DataError) as caught:
            self.load(**options)
        return str(caught.value)


@pytest.fixture(params=["mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100"])
def published(request, tmp_path, monkeypatch):
    made = Published(request.param, tmp_path)
    made.known(monkeypatch)
    return made


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    made = Published("fashion_mnist", tmp_path)
    made.known(monkeypatch)
    return made


def test_the_real_files_are_those_that_are_published():
    """By https://www.cs.toronto.edu/~kriz/cifar.html and by torchvision."""
    archives = {name: (one.archive, one.md5) for name, one in CIFAR.items()}
    assert archives == {
        "cifar10": ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
        "cifar100": ("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
    }
    firsts = [kind.files[0] for kind in MNIST_KIND.values()]
    assert [(file.name, file.md5) for file in firsts] == [
        (IDX_NAMES[0], "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        (IDX_NAMES[0], "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        (IDX_NAMES[0], "bdb82020997e1d708af4cf47b453dcf7"),
    ]
    for kind in MNIST_KIND.values():
        assert [name for name, _ in kind.known.resources] == IDX_NAMES
        assert set(kind.content) in (set(), set(IDX_NAMES))
        assert kind.known.mirrors


def test_files_put_by_hand_are_read_as_they_are(published):
    published.put()
    source = published.load()
    assert (source.classes, source.synthetic) == (published.classes, False)
    assert source.groups is None
    for split, found in (("train", source.train), ("test", source.test)):
        assert found.images.dtype == torch.uint8
        assert found.images.is_contiguous()
        assert torch.equal(found.images, torch.from_numpy(published.images[split]))
        assert found.labels.dtype == torch.int64
        assert found.labels.tolist() == published.labels[split].tolist()
    assert all(md5(content) in source.origin for content in published.bytes.values())
    assert sorted(path.name for path in published.folder.iterdir()) == sorted(published.bytes)


def test_limits_keep_the_first(published):
    published.put()
    part = published.load(limit_train=12, limit_test=11)
    for split, found, count in (("train", part.train, 12), ("test", part.test, 11)):
        assert torch.equal(found.images, torch.from_numpy(published.images[split][:count]))
        assert found.labels.tolist() == published.labels[split][:count].tolist()


def test_each_has_a_name_of_its_own(tmp_path, monkeypatch):
    names = set()
    for name in (*MNIST_KIND, *CIFAR):
        one = Published(name, tmp_path)
        one.known(monkeypatch)
        one.put()
        names.add(one.load().name)
    assert names == {"MNIST", "Fashion-MNIST", "KMNIST", "CIFAR-10", "CIFAR-100"}


def test_out_of_reach_it_says_what_to_do(published):
    message = published.refused()
    assert str(published.folder) in message
    for name, content in published.bytes.items():
        assert f"/{name}  (MD5 {md5(content)})" in message
    for key in ("dataset.files=", "dataset=house_numbers", "dataset=arrays"):
        assert key in message
    assert ("/usr/share/datasets" in message) == (published.name == "fashion_mnist")


DAMAGE = {
    "missing": None,
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-1],
    "one bit": lambda content: content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
    "something else": lambda content: b"hello",
    "a pickle": lambda content: pickle.dumps({"data": [1]}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("by_hand", [True, False])
def test_a_damaged_file_is_never_read(published, damage, by_hand, monkeypatch):
    """The last one; the others, which are intact, are not asked for."""
    folder = published.datasets.parent / "mine" if by_hand else published.folder
    published.put(folder)
    options = {"files": str(folder)} if by_hand else {}
    assert len(published.load(**options).train) == 30
    *others, last = published.bytes
    if damage is None:
        (folder / last).unlink()
    else:
        (folder / last).write_bytes(damage(published.bytes[last]))
    message = published.refused(**options)
    assert last in message
    assert str(folder) in message
    assert not any(name in message for name in others)


def test_named_files_are_left_alone_and_nothing_is_downloaded(published, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_download", None)
    published.put(tmp_path / "mine")
    published.load(files=str(tmp_path / "mine"))
    assert not published.datasets.exists()
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == sorted(published.bytes)
    message = published.refused(files=str(tmp_path / "elsewhere"))
    assert f"dataset.files = {tmp_path / 'elsewhere'}" in message
    assert all(name in message for name in published.bytes)
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_missing_is_downloaded_once_for_all_who_wait(published, monkeypatch):
    asked, at_once, found = [], threading.Barrier(4), []

    def answer(url, root, filename, md5):
        asked.append((url, md5))
        Path(root, filename).write_bytes(published.bytes[filename])

    monkeypatch.setattr(download, "download_url", answer)

    def load():
        at_once.wait()
        found.append(published.load().train.digest())

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert [(Path(url).name, known) for url, known in asked] == [
        (name, md5(content)) for name, content in published.bytes.items()
    ]


def test_the_next_mirror_is_asked_where_the_first_fails(fashion, monkeypatch):
    monkeypatch.setattr(MNIST_KIND["fashion_mnist"].known, "mirrors", ["http://a/", "http://b/"])
    asked = []

    def answer(url, root, filename, md5):
        asked.append(url)
        if url.startswith("http://a/"):
            raise RuntimeError("File not found or corrupted.")
        Path(root, filename).write_bytes(fashion.bytes[filename])

    monkeypatch.setattr(download, "download_url", answer)
    fashion.load()
    assert asked == [f"http://{mirror}/{name}" for name in fashion.bytes for mirror in "ab"]


def test_where_all_mirrors_fail_each_failure_is_told(fashion, monkeypatch):
    monkeypatch.setattr(MNIST_KIND["fashion_mnist"].known, "mirrors", ["http://a/", "http://b/"])

    def answer(url, *_):
        raise OSError(f"{url[7]} is down")

    monkeypatch.setattr(download, "download_url", answer)
    assert "could not be downloaded (a is down; b is down)" in fashion.refused()


def zipped_anew(published):
    contents = {name: gzip.decompress(content) for name, content in published.bytes.items()}
    anew = {name: gzip.compress(content, 1, mtime=7) for name, content in contents.items()}
    assert all(anew[name] != published.bytes[name] for name in anew)
    return anew, {name: md5(content) for name, content in contents.items()}


def test_the_same_content_zipped_anew_is_as_good_where_its_md5_is_known(
    fashion, tmp_path, monkeypatch
):
    fashion.put()
    wanted = fashion.load()
    anew, known = zipped_anew(fashion)
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, content in anew.items():
        (mine / name).write_bytes(content)
    assert all(name in fashion.refused(files=str(mine)) for name in anew)
    fashion.known(monkeypatch, content=known)
    found = fashion.load(files=str(mine))
    assert found.train.digest() == wanted.train.digest()
    assert found.test.digest() == wanted.test.digest()
    assert found.origin == wanted.origin
    labels = bytearray(gzip.decompress(anew[IDX_NAMES[1]]))
    labels[-1] ^= 1
    (mine / IDX_NAMES[1]).write_bytes(gzip.compress(bytes(labels)))
    message = fashion.refused(files=str(mine))
    assert IDX_NAMES[1] in message
    assert IDX_NAMES[0] not in message


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_debians_files_are_fashion_mnist(tmp_path):
    source = mnist_cifar.load(str(tmp_path), name="fashion_mnist", files=str(DEBIAN))
    assert tuple(source.train.images.shape) == (60_000, 1, 28, 28)
    assert tuple(source.test.images.shape) == (10_000, 1, 28, 28)
    assert source.train.labels.bincount().tolist() == [6_000] * 10
    assert source.test.labels.bincount().tolist() == [1_000] * 10
    assert source.train.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert source.test.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert float(source.train.images.double().mean() / 255) == pytest.approx(0.2860, abs=5e-5)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("t10k-labels-idx1-ubyte", 1504176627),
        ("t10k-images-idx3-ubyte", 1504176627),
        ("train-labels-idx1-ubyte", 1504176606),
        ("train-images-idx3-ubyte", 1504176606),
    ],
)
def test_debians_files_are_the_published_ones_but_for_the_gzip_header(name, seconds):
    """Which is how the MD5s of the content are known to be right."""
    anew = (DEBIAN / f"{name}.gz").read_bytes()
    assert anew[3] == 0  # no name: the compressed data begin after ten bytes
    head = b"\x1f\x8b\x08\x08" + seconds.to_bytes(4, "little") + b"\x00\x03"
    known = dict(MNIST_KIND["fashion_mnist"].known.resources)
    assert md5(head + name.encode() + b"\0" + anew[10:]) == known[f"{name}.gz"]
