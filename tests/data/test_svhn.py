"""SVHN's two files, found or fetched. A small server on this machine stands in for Stanford's."""

import hashlib
import http.server
import io
import socket
import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision.datasets import SVHN

from polyak.data import download, svhn
from polyak.errors import DataError

NAMES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


@dataclass
class Site:
    """The files on offer, every request so far, and how the server answers."""

    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    content: dict[str, bytes]
    requests: list[str] = field(default_factory=list)
    answer: str = "well"

    def put(self, folder, *splits):
        folder.mkdir(parents=True, exist_ok=True)
        for split in splits or NAMES:
            (folder / NAMES[split]).write_bytes(self.content[split])


class Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        name = self.path.removeprefix("/")
        self.site.requests.append(name)
        content = self.site.content[{file: split for split, file in NAMES.items()}[name]]
        if self.site.answer == "with an error":
            return self.send_error(404)
        if self.site.answer == "with nonsense":
            return self.wfile.write(b"hello\r\n\r\n")
        if self.site.answer == "with another file":
            content = content[::-1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.site.answer == "with half":
            content = content[: len(content) // 2]
        if self.command == "GET":
            self.wfile.write(content[:100])
            time.sleep(0.02)  # so that two clients overlap
            self.wfile.write(content[100:])
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def site(monkeypatch):
    stream = np.random.default_rng(0)
    images, labels, content = {}, {}, {}
    for split, count in (("train", 23), ("test", 11)):
        images[split] = stream.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        labels[split] = (1 + np.arange(count) % 10).astype(np.uint8)
        buffer = io.BytesIO()
        savemat(buffer, {"X": images[split], "y": labels[split][:, None]})
        content[split] = buffer.getvalue()
    made = Site(images, labels, content)
    handler = type("SiteHandler", (Handler,), {"site": made})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        offer(monkeypatch, made, server.server_port)
        yield made
        server.shutdown()


def offer(monkeypatch, site, port):
    files = {
        split: [
            f"http://127.0.0.1:{port}/{name}",
            name,
            hashlib.md5(site.content[split]).hexdigest(),
        ]
        for split, name in NAMES.items()
    }
    monkeypatch.setattr(SVHN, "split_list", files)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "svhn"


def load(folder, **limits):
    return svhn.load(str(folder.parent), **limits)


def test_the_real_files_are_those_of_the_design():
    assert [entry[1:] for entry in map(SVHN.split_list.get, NAMES)] == [
        ["train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"],
        ["test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"],
    ]


def test_files_on_disk_are_read_without_a_request(site, folder):
    site.put(folder)
    source = load(folder)
    assert site.requests == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES.values())
    for split, found in (("train", source.train), ("test", source.test)):
        assert torch.equal(found.images, torch.from_numpy(site.images[split]).permute(3, 2, 0, 1))
        assert found.images.is_contiguous()
        assert found.images.dtype == torch.uint8
        assert found.labels.dtype == torch.int64
    assert not source.synthetic
    assert source.classes == 10
    assert (source.name, source.groups, source.substitute_for) == ("SVHN", None, None)
    for split in NAMES:
        assert SVHN.split_list[split][2] in source.origin


def test_label_10_becomes_0_and_no_other_changes(site, folder):
    site.put(folder)
    assert load(folder).train.labels.tolist() == [(1 + i % 10) % 10 for i in range(23)]


def test_limits_keep_the_first(site, folder):
    site.put(folder)
    whole, part = load(folder), load(folder, limit_train=4, limit_test=2)
    assert torch.equal(part.train.images, whole.train.images[:4])
    assert torch.equal(part.test.images, whole.test.images[:2])
    assert part.train.labels.tolist() == [1, 2, 3, 4]


def test_missing_files_are_downloaded_once(site, folder):
    downloaded = load(folder)
    for split, name in NAMES.items():
        assert (folder / name).read_bytes() == site.content[split]
    site.requests.clear()
    assert load(folder).train.digest() == downloaded.train.digest()
    assert site.requests == []


@pytest.mark.parametrize("split", NAMES)
def test_only_the_missing_file_is_asked_for(site, folder, split):
    (other,) = NAMES.keys() - {split}
    site.put(folder, other)
    svhn.fetch(folder)
    assert set(site.requests) == {NAMES[split]}
    assert (folder / NAMES[split]).read_bytes() == site.content[split]


@pytest.mark.parametrize("split", NAMES)
@pytest.mark.parametrize("damage", [b"", b"half of it"])
def test_a_damaged_file_is_downloaded_again(site, folder, split, damage):
    site.put(folder)
    (folder / NAMES[split]).write_bytes(damage)
    svhn.fetch(folder)
    assert set(site.requests) == {NAMES[split]}
    assert (folder / NAMES[split]).read_bytes() == site.content[split]


@pytest.mark.parametrize("answer", ["with another file", "with half"])
def test_a_download_with_the_wrong_md5_is_refused_until_it_is_right(site, folder, answer):
    site.answer = answer
    for _ in range(2):
        with pytest.raises(DataError, match=SVHN.split_list["train"][2]):
            load(folder)
    site.answer = "well"
    assert len(load(folder).train) == 23


def test_a_damaged_file_that_cannot_be_fetched_is_never_read(site, folder):
    site.put(folder)
    (folder / NAMES["test"]).write_bytes(site.content["test"] + b" ")
    site.answer = "with an error"
    with pytest.raises(DataError, match=NAMES["test"]) as caught:
        load(folder)
    assert NAMES["train"] not in str(caught.value)  # that one is there


def says_what_to_do(error, folder):
    parts = [str(folder), "dataset=house_numbers", "dataset=arrays"]
    parts += [part for entry in SVHN.split_list.values() for part in entry]
    return all(part in str(error.value) for part in parts)


@pytest.mark.parametrize("answer", ["with an error", "with nonsense"])
def test_a_server_that_fails_is_a_data_error_that_says_what_to_do(site, folder, answer):
    site.answer = answer
    with pytest.raises(DataError) as caught:
        load(folder)
    assert says_what_to_do(caught, folder)


def test_no_server_is_a_data_error_that_says_what_to_do(site, folder, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    offer(monkeypatch, site, port)
    with pytest.raises(DataError) as caught:
        load(folder)
    assert says_what_to_do(caught, folder)


def test_a_server_that_never_answers_is_out_of_reach(site, folder, monkeypatch):
    usual = download.SILENT_SECONDS
    monkeypatch.setattr(download, "SILENT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        offer(monkeypatch, site, silent.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(DataError) as caught:
            load(folder)
        assert time.monotonic() - began < usual
    assert says_what_to_do(caught, folder)


def test_a_folder_that_cannot_be_made_is_a_data_error(site, tmp_path):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(DataError) as caught:
        svhn.load(str(tmp_path / "data"))
    assert says_what_to_do(caught, tmp_path / "data" / "svhn")


def test_the_lock_is_free_again_after_a_failure(site, folder):
    site.answer = "with an error"
    with pytest.raises(DataError):
        svhn.fetch(folder)
    site.answer = "well"
    svhn.fetch(folder)
    assert (folder / NAMES["test"]).read_bytes() == site.content["test"]


def test_many_at_once_download_once(site, folder, tmp_path):
    svhn.fetch(tmp_path / "alone")
    alone = sorted(site.requests)
    site.requests.clear()
    at_once, failures = threading.Barrier(4), []

    def fetch():
        at_once.wait()
        try:
            svhn.fetch(folder)
            assert (folder / NAMES["test"]).read_bytes() == site.content["test"]
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(site.requests) == alone
