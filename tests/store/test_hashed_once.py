"""A process hashes a file once, whether it wrote or only reads it; another one hashes it again."""

from collections import Counter

import pytest

from polyak import files
from polyak.data import arrays as arrays_module
from polyak.data.splitting import split
from polyak.store import manifest
from polyak.store.recording import Recording
from polyak.weights import checkpoint
from tests.store.damage import flip
from tests.store.trajectories import train

MEANS = Recording(every=5, means=True)


@pytest.fixture
def hashed(monkeypatch):
    """How often each file was hashed, and "weights" as tensors."""
    found, of_file, of_weights = Counter(), files.sha256, checkpoint.digest

    def counted(path):
        found[path] += 1
        return of_file(path)

    def counted_weights(state):
        found["weights"] += 1
        return of_weights(state)

    monkeypatch.setattr(files, "sha256", counted)
    monkeypatch.setattr(checkpoint, "digest", counted_weights)
    return found


def test_each_file_is_hashed_once_per_process(tmp_path, arrays, hashed):
    data = split(arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz")), 60)
    trajectory, _ = train(tmp_path, data, epochs=2, recording=MEANS)
    train(tmp_path, data, epochs=2, recording=MEANS)
    assert hashed.pop("weights") == 2  # of epochs, by which a training again is compared
    there = set(trajectory.directory.rglob("*.safetensors"))
    assert set(hashed) - there == {trajectory.directory / "state" / "epoch_000.safetensors"}
    assert there <= set(hashed)
    assert set(hashed.values()) == {1}

    hashed.clear()
    manifest._verified.clear()  # as in another process
    train(tmp_path, data, epochs=2, recording=MEANS)
    assert set(hashed) == {one for one in there if one.parent.name != "state"}
    assert set(hashed.values()) == {1}

    hashed.clear()
    (changed, *_) = trajectory.directory.glob("recordings/*/mean_*")
    flip(changed)
    train(tmp_path, data, epochs=2, recording=MEANS)
    assert hashed[changed] == 2  # found to be another, and written again
