"""Checkpoints that were there before, as a recording."""

import pytest
import safetensors.torch
import torch

import polyak
from polyak.averaging.mean import mean_of_states
from polyak.errors import CheckpointError, ConfigError, StoreError
from polyak.store import paths
from polyak.store.manifest import Manifest
from polyak.weights import checkpoint
from tests.study.test_study import evaluate, made

SETTINGS = {"lr": 0.1, "seed": 0}


@pytest.fixture
def states():
    return [made(seed=seed).state_dict() for seed in range(4)]


def sharded(state, folder):
    """As others write large models."""
    folder.mkdir()
    names = sorted(state)
    places = {name: f"part{place % 2}.safetensors" for place, name in enumerate(names)}
    for part in set(places.values()):
        tensors = {name: state[name] for name in names if places[name] == part}
        safetensors.torch.save_file(tensors, folder / part)
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": ' + str(places).replace("'", '"') + "}")
    return index


def test_files_of_every_kind_are_a_recording_that_opens(states, tmp_path):
    files = [tmp_path / "0.pt", tmp_path / "1.safetensors", tmp_path / "2.safetensors"]
    torch.save({"model": states[0], "epoch": 3}, files[0])
    safetensors.torch.save_file(states[1], files[1])
    checkpoint.save(files[2], states[2])
    files.append(sharded(states[3], tmp_path / "3"))
    before = [path.read_bytes() for path in files]
    directory = polyak.adopt(files, tmp_path / "recorded" / "old", settings=SETTINGS)
    for epoch, state in enumerate(states):
        path = paths.checkpoint(directory, epoch)
        assert checkpoint.digest(checkpoint.load(path).tensors) == checkpoint.digest(state)
        assert path.stat().st_mode & 0o777 == 0o444
    assert paths.checkpoint(directory, 2).samefile(files[2])  # it was read-only
    assert not paths.checkpoint(directory, 1).samefile(files[1])
    assert files[1].stat().st_mode & 0o200
    assert [path.read_bytes() for path in files] == before
    assert Manifest.open(directory).corrupted(4) == []
    study = polyak.open(directory, evaluate)
    assert checkpoint.digest(study.average().state_dict) == checkpoint.digest(
        mean_of_states(states)
    )
    assert study.run(start=2).parent.name == "old"


def test_tied_and_integer_tensors_stay(tmp_path):
    state = {"a": torch.ones(2, dtype=torch.float16), "n": torch.tensor(3)}
    state["b"] = state["a"]
    torch.save(state, tmp_path / "0.pt")
    directory = polyak.adopt([tmp_path / "0.pt"], tmp_path / "run", settings={})
    found = checkpoint.load(paths.checkpoint(directory, 0))
    assert found.tied == (("a", "b"),)
    assert checkpoint.digest(found.tensors) == checkpoint.digest(state)


def test_the_same_call_goes_on_and_others_are_refused(states, tmp_path):
    files = [tmp_path / f"{epoch}.safetensors" for epoch in range(4)]
    for path, state in zip(files, states, strict=True):
        safetensors.torch.save_file(state, path)
    directory = polyak.adopt(files[:2], tmp_path / "run", settings=SETTINGS)
    (directory / "checkpoints" / "epoch_002.safetensors").write_bytes(b"cut")  # a killed call's
    assert polyak.adopt(files, tmp_path / "run", settings=SETTINGS) == directory
    assert Manifest.open(directory).trained == 4
    assert Manifest.open(directory).corrupted(4) == []
    with pytest.raises(StoreError, match=r"its epoch 0 is not .*1\.safetensors"):
        polyak.adopt(files[1:], directory, settings=SETTINGS)
    with pytest.raises(StoreError, match="has 4 epochs, and 3 checkpoints are given"):
        polyak.adopt(files[:3], directory, settings=SETTINGS)
    with pytest.raises(StoreError, match=r"another settings\.lr"):
        polyak.adopt(files, directory, settings={**SETTINGS, "lr": 0.2})
    with polyak.Recorder(tmp_path / "recorder", made(), settings=SETTINGS) as recorder:
        recorder.epoch()
    with pytest.raises(StoreError, match="another model"):
        polyak.adopt(files, tmp_path / "recorder", settings=SETTINGS)


@pytest.mark.parametrize("read_only", [True, False])
def test_the_same_call_puts_back_what_is_missing_or_changed(states, tmp_path, caplog, read_only):
    files = [tmp_path / f"{epoch}.safetensors" for epoch in range(4)]
    for path, state in zip(files, states, strict=True):
        (checkpoint.save if read_only else lambda to, one: safetensors.torch.save_file(one, to))(
            path, state
        )
    directory = polyak.adopt(files, tmp_path / "run", settings=SETTINGS)
    run = polyak.open(directory, evaluate).run(start=2)
    average = checkpoint.load(run / "averaged.safetensors").tensors
    missing, changed = (paths.checkpoint(directory, epoch) for epoch in (1, 2))
    missing.unlink()
    changed.unlink()  # it may be the given file
    changed.write_bytes(b"cut")
    moved = [path.rename(tmp_path / f"moved_{path.name}") for path in files]
    polyak.adopt(moved, directory, settings=SETTINGS)
    assert caplog.text.count("was missing or changed, and is put back from") == 2
    manifest = Manifest.open(directory)
    assert manifest.corrupted(4) == []
    found = [checkpoint.load(paths.checkpoint(directory, epoch)).tensors for epoch in range(4)]
    assert [checkpoint.digest(one) for one in found] == [checkpoint.digest(one) for one in states]
    assert paths.checkpoint(run, 2).samefile(changed)
    assert checkpoint.digest(polyak.open(directory, evaluate).average(start=2).state_dict) == (
        checkpoint.digest(average)
    )
    caplog.clear()
    polyak.adopt(moved, directory, settings=SETTINGS)
    assert not caplog.text
    changed.unlink()
    states[2]["0.bias"] += 1
    torch.save(states[2], tmp_path / "other.pt")
    with pytest.raises(StoreError, match=r"its epoch 2 is not .*other\.pt"):
        polyak.adopt([*moved[:2], tmp_path / "other.pt", moved[3]], directory, settings=SETTINGS)
    assert not changed.exists()


def test_checkpoints_of_two_models_and_of_none(states, tmp_path):
    first, other, broken = (tmp_path / f"{name}.safetensors" for name in ("a", "b", "c"))
    safetensors.torch.save_file(states[0], first)
    safetensors.torch.save_file(made(norm=True).state_dict(), other)
    safetensors.torch.save_file({k: v * torch.nan for k, v in states[0].items()}, broken)
    with pytest.raises(CheckpointError, match=r"b\.safetensors: tensor .*checkpoints of one model"):
        polyak.adopt([first, other], tmp_path / "run", settings={})
    assert not (tmp_path / "run").exists()
    with pytest.raises(CheckpointError, match=r"c\.safetensors: tensor .*not finite"):
        polyak.adopt([first, broken], tmp_path / "run", settings={})
    assert Manifest.open(tmp_path / "run").trained == 1
    with pytest.raises(CheckpointError, match="there is no such file"):
        polyak.adopt([tmp_path / "nothing.pt"], tmp_path / "none", settings={})
    with pytest.raises(ConfigError, match="allowed: one or more files"):
        polyak.adopt([], tmp_path / "none", settings={})


def test_a_file_of_the_recordings_own_is_not_written_over(states, tmp_path):
    """It would be removed to make room for its own copy."""
    files = [tmp_path / f"{epoch}.safetensors" for epoch in range(2)]
    for path, state in zip(files, states, strict=False):
        safetensors.torch.save_file(state, path)
    directory = polyak.adopt(files, tmp_path / "run", settings=SETTINGS)
    mine = paths.checkpoint(directory, 2)
    safetensors.torch.save_file(states[2], mine)
    (tmp_path / "link.safetensors").symlink_to(mine)
    for path in (mine, tmp_path / "link.safetensors"):
        with pytest.raises(StoreError, match=r"safetensors: is in .*run, where"):
            polyak.adopt([*files, path], directory, settings=SETTINGS)
    assert mine.is_file()
    assert Manifest.open(directory).trained == 2


def test_a_read_only_file_is_checked_as_others_are(states, tmp_path):
    states[0]["0.weight"][0, 0] = float("nan")
    checkpoint.save(tmp_path / "0.safetensors", states[0])
    with pytest.raises(CheckpointError, match=r"0\.safetensors: tensor '0\.weight' has values"):
        polyak.adopt([tmp_path / "0.safetensors"], tmp_path / "run", settings=SETTINGS)


def test_one_name_is_no_list_of_files(tmp_path):
    with pytest.raises(ConfigError, match="checkpoints = 'abc': allowed: one or more files"):
        polyak.adopt("abc", tmp_path / "run", settings=SETTINGS)


def test_what_a_killed_call_left_is_no_strangers(states, tmp_path):
    """Killed before its first trajectory.json was there, or while a study wrote."""
    safetensors.torch.save_file(states[0], tmp_path / "0.safetensors")
    half = tmp_path / "run" / ".trajectory.123.tmp.json"
    half.parent.mkdir()
    half.write_text("{")
    directory = polyak.adopt([tmp_path / "0.safetensors"], tmp_path / "run", settings=SETTINGS)
    assert not half.exists()
    half.write_text("{")
    polyak.open(directory, evaluate)
    assert not half.exists()


def test_a_folder_with_a_link_to_the_only_weights_puts_them_back(states, tmp_path):
    files = [tmp_path / f"{epoch}.pt" for epoch in range(2)]
    for path, state in zip(files, states, strict=False):
        torch.save({name: state[name] for name in sorted(state)}, path)
    recording = polyak.adopt(files, tmp_path / "recorded", settings=SETTINGS)
    given = [tmp_path / f"given{epoch}" for epoch in range(2)]
    for epoch, folder in enumerate(given):
        folder.mkdir()
        (folder / "model.safetensors").symlink_to(paths.checkpoint(recording, epoch))
    changed = paths.checkpoint(recording, 1)
    changed.unlink()
    safetensors.torch.save_file(states[1], changed, metadata={"other": "bytes"})
    polyak.adopt(given, recording, settings=SETTINGS)
    assert Manifest.open(recording).intact(changed)
    assert checkpoint.digest(checkpoint.load(changed).tensors) == checkpoint.digest(states[1])
