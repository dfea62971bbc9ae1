"""house_numbers as a source: drawn once, then read from disk."""

import shutil
import sys
import threading

import pytest
import safetensors.torch
import torch

from polyak.data import drawn_digits as house_numbers
from polyak.data import house_numbers as synthetic
from tests import own_memory


@pytest.fixture
def drawn(monkeypatch):
    """Stands in for the slow drawing, of splits of 30 and 20 images; lists its calls."""
    calls, lock = [], threading.Lock()

    def generate(split, count, seed):
        with lock:
            calls.append((split, count, seed))
        stream = torch.Generator().manual_seed(seed + (split == "test"))
        images = torch.randint(0, 256, (30, 3, 32, 32), dtype=torch.uint8, generator=stream)
        return images[:count].clone(), torch.arange(count) % 10

    monkeypatch.setattr(house_numbers, "generate", generate)
    monkeypatch.setattr(house_numbers, "TRAIN_SIZE", 30)
    monkeypatch.setattr(house_numbers, "TEST_SIZE", 20)
    return calls


BOTH = [("train", 30, 0), ("test", 20, 0)]


def cached(tmp_path):
    return sorted((tmp_path / "house_numbers").glob("*.safetensors"))


def digests(source):
    return source.train.digest(), source.test.digest()


def test_it_is_a_source_of_what_house_numbers_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(house_numbers, "CHUNK", 5)  # quicker
    source = synthetic.load(str(tmp_path), limit_train=3, limit_test=2, seed=5)
    assert source.name == "house_numbers"
    assert source.synthetic
    assert source.classes == 10
    assert source.groups is None
    assert source.substitute_for is None
    assert "seed 5" in source.origin
    assert f"version {house_numbers.VERSION}" in source.origin
    for split, name in ((source.train, "train"), (source.test, "test")):
        images, labels = house_numbers.generate(name, len(split), seed=5)
        assert torch.equal(split.images, images)
        assert torch.equal(split.labels, labels)


def test_the_first_load_draws_and_the_second_reads(tmp_path, drawn):
    first = synthetic.load(str(tmp_path))
    assert drawn == BOTH
    assert len(cached(tmp_path)) == 2
    second = synthetic.load(str(tmp_path))
    assert drawn == BOTH
    assert digests(second) == digests(first)
    assert second.train.images.dtype == torch.uint8
    assert second.train.ids.tolist() == list(range(30))


def test_the_cache_is_read_only(tmp_path, drawn):
    synthetic.load(str(tmp_path))
    assert [path.stat().st_mode & 0o777 for path in cached(tmp_path)] == [0o444, 0o444]


def test_what_is_done_to_the_images_does_not_reach_the_cache(tmp_path, drawn):
    synthetic.load(str(tmp_path))
    source = synthetic.load(str(tmp_path))
    wanted = digests(source)
    source.train.images.zero_()
    assert digests(synthetic.load(str(tmp_path))) == wanted


def test_a_limit_above_the_size_is_the_size(tmp_path, drawn):
    synthetic.load(str(tmp_path), limit_train=31, limit_test=10_000)
    assert drawn == BOTH
    synthetic.load(str(tmp_path))
    assert drawn == BOTH


@pytest.mark.parametrize(
    ("other", "redrawn"),
    [
        ({"seed": 1}, [("train", 30, 1), ("test", 20, 1)]),
        ({"limit_train": 29}, [("train", 29, 0)]),
        ({"limit_test": 1}, [("test", 1, 0)]),
    ],
)
def test_another_seed_or_limit_is_another_file(tmp_path, drawn, other, redrawn):
    first = synthetic.load(str(tmp_path))
    wanted = digests(first)
    changed = digests(synthetic.load(str(tmp_path), **other))
    assert changed != wanted
    assert drawn == BOTH + redrawn
    assert len(cached(tmp_path)) == 2 + len(redrawn)
    assert digests(synthetic.load(str(tmp_path))) == wanted
    assert digests(synthetic.load(str(tmp_path), **other)) == changed
    assert drawn == BOTH + redrawn


def test_another_version_is_another_file(tmp_path, drawn, monkeypatch):
    origin = synthetic.load(str(tmp_path)).origin
    monkeypatch.setattr(house_numbers, "VERSION", house_numbers.VERSION + 1)
    assert synthetic.load(str(tmp_path)).origin != origin
    assert drawn == BOTH + BOTH
    assert len(cached(tmp_path)) == 4


def rewrite(path, content):
    path.unlink()
    path.write_bytes(content)


DAMAGE = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: rewrite(path, b""),
    "cut off": lambda path: rewrite(path, path.read_bytes()[:-1]),
    "something else": lambda path: rewrite(path, b"hello" * 100),
    "without labels": lambda path: rewrite(
        path, safetensors.torch.save({"images": torch.zeros(30, 3, 32, 32, dtype=torch.uint8)})
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_drawn_again_and_mended(tmp_path, drawn, damage):
    wanted = digests(synthetic.load(str(tmp_path)))
    (path,) = (tmp_path / "house_numbers").glob("*_train_*.safetensors")
    damage(path)
    for _ in range(2):
        assert digests(synthetic.load(str(tmp_path))) == wanted
        assert drawn == BOTH + [("train", 30, 0)]


def test_two_at_once_draw_once(tmp_path, drawn):
    at_once, found = threading.Barrier(4), []

    def load():
        at_once.wait()
        found.append(digests(synthetic.load(str(tmp_path))))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert sorted(drawn) == sorted(BOTH)


def test_an_interrupted_drawing_leaves_no_cache(tmp_path, drawn, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(house_numbers, "generate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            synthetic.load(str(tmp_path))
    assert cached(tmp_path) == []
    synthetic.load(str(tmp_path))
    assert drawn == BOTH


def test_the_cache_can_be_moved(tmp_path, drawn):
    synthetic.load(str(tmp_path / "here"))
    shutil.move(tmp_path / "here", tmp_path / "there")
    synthetic.load(str(tmp_path / "there"))
    assert drawn == BOTH


BEFORE = """
import torch
from polyak.data import drawn_digits, house_numbers

drawn_digits._draw_atlas = lambda: None
chunk = torch.ones(1000, 3, 32, 32, dtype=torch.uint8), torch.ones(1000, dtype=torch.int64)
drawn_digits._draw_chunk = lambda atlas, random: chunk
"""

WATCHED = """
found = house_numbers.load(sys.argv[1], limit_train=20_000, limit_test=5_000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
def test_memory_is_the_images_and_one_chunks(tmp_path):
    """Drawing a chunk is left out here: it takes the same, however many images there are."""
    _, used = own_memory.beyond(BEFORE, WATCHED, [tmp_path])
    assert used < 1.1 * 25_000 * 3072  # 77 MB


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
def test_drawing_a_chunk_takes_half_of_svhns_size():
    """Some 60 to 100 MB, where the training images are 225 MB."""
    before = "from polyak.data import drawn_digits; drawn_digits._draw_atlas()"
    _, used = own_memory.beyond(before, 'drawn_digits.generate("train", 1000)', [])
    assert used < 130 << 20
