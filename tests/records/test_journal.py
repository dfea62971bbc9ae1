"""What was added to a trajectory.json counts line by line; what was changed in it is noticed."""

import contextlib
import copy
import json
import os
import signal

import pytest

from polyak import files
from polyak.errors import PolyakError, StoreError
from polyak.records import journal, summed, trajectory
from polyak.store.format import READABLE
from polyak.store.manifest import Manifest
from polyak.training.result import EpochResult

WEIGHTS = "a" * 64


def named(directory, kind, epoch):
    path = directory / kind / f"epoch_{epoch:03d}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{kind} {epoch}")
    return path


def add(manifest, epoch):
    manifest.add(
        EpochResult(epoch, lr=0.1, loss=2.5, accuracy=0.25, seconds=1.5),
        WEIGHTS,
        named(manifest.directory, "checkpoints", epoch),
        {"threads": 1 + epoch // 2},
    )
    manifest.set_state(named(manifest.directory, "state", epoch))
    manifest.append()


@pytest.fixture
def manifest(tmp_path):
    """Of four epochs, three of which are lines."""
    found = Manifest.read(tmp_path / "trajectory", "f" * 16, {"seed": 0})
    for epoch in range(4):
        add(found, epoch)
    return found


def lines(directory):
    return (directory / journal.NAME).read_bytes().splitlines(keepends=True)


def read(manifest):
    found = dict(Manifest.open(manifest.directory).values)
    del found["sha256"]
    return found


def expected(manifest):
    found = copy.deepcopy(manifest.values)
    del found["sha256"]
    return found


def test_epochs_are_added_as_lines_and_written_whole_in_the_end(manifest):
    directory = manifest.directory
    assert len(json.loads((directory / trajectory.NAME).read_text())["epochs"]) == 1
    sizes = [len(line) for line in lines(directory)]
    assert len(sizes) == 3
    assert max(sizes) - min(sizes) < 100  # a stretch of another environment
    assert read(manifest) == expected(manifest)
    assert [name for name in read(manifest)["files"] if "state" in name] == [
        "state/epoch_003.safetensors"
    ]
    assert [one["from_epoch"] for one in read(manifest)["environments"]] == [0, 2]
    manifest.fold()
    assert not (directory / journal.NAME).exists()
    assert len(json.loads((directory / trajectory.NAME).read_text())["epochs"]) == 4
    assert read(manifest) == expected(manifest)


@pytest.mark.parametrize("left", [1, 40, -1])
def test_a_line_that_was_cut_is_an_epoch_that_never_was_and_is_written_over(manifest, left):
    directory, whole = manifest.directory, lines(manifest.directory)
    (directory / journal.NAME).write_bytes(b"".join([*whole[:2], whole[2][:left]]))
    continued = Manifest.open(directory)
    assert continued.trained == 3
    add(continued, 3)
    assert lines(directory) == whole


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_changed_line_is_refused(manifest, place):
    directory, whole = manifest.directory, lines(manifest.directory)
    whole[place] = whole[place].replace(b"2.5", b"2.4")
    (directory / journal.NAME).write_bytes(b"".join(whole))
    with pytest.raises(StoreError, match=rf"trajectory\.jsonl: corrupted.*line {place + 1}; move"):
        Manifest.open(directory)


def test_a_line_that_is_missing_or_there_twice_is_refused(manifest):
    directory, (first, second, third) = manifest.directory, lines(manifest.directory)
    for changed in ([first, third], [first, first], [first, third, second]):
        (directory / journal.NAME).write_bytes(b"".join(changed))
        with pytest.raises(StoreError, match="line 2 does not follow the one before"):
            Manifest.open(directory)


def test_lines_that_follow_another_trajectory_json_do_not_count(manifest):
    """As a kill leaves them, after it was written whole and before they are removed."""
    directory, before = manifest.directory, (manifest.directory / journal.NAME).read_bytes()
    manifest.write()
    (directory / journal.NAME).write_bytes(before)
    continued = Manifest.open(directory)
    assert continued.values == manifest.values
    add(continued, 4)
    assert len(lines(directory)) == 1
    assert read(continued) == expected(continued)


FORGED = [
    {"epochs": [{"epoch": 4, "lr": 0.1}]},
    {"epochs": [{"epoch": 9}]},
    {"epochs": [{"epoch": -1}]},
    {"epochs": [{"epoch": True}]},
    {"epochs": [3]},
    {"environments": [{"from_epoch": 0, "environment": {}}]},
    {"files": {"../../etc/passwd": "0" * 64}},
    {"files": {"checkpoints/epoch_000.safetensors": "no hash"}},
    {"files": [1]},
]


@pytest.mark.parametrize("change", FORGED, ids=str)
def test_what_a_line_holds_must_fit_where_its_checksum_is_right(manifest, change):
    directory = manifest.directory
    _, known = trajectory.read(directory, READABLE)
    with (directory / journal.NAME).open("a") as file:
        file.write(summed.line({"after": known.last, **change}) + "\n")
    with pytest.raises(StoreError, match=r"trajectory\.jsonl: "):
        Manifest.open(directory)


def test_hostile_lines_are_errors(manifest):
    directory = manifest.directory
    _, known = trajectory.read(directory, READABLE)
    deep = "[" * 100_000 + "]" * 100_000
    text = f'{{"after": "{known.last}", "more": {deep}}}'
    line = f'{text[:-1]}, "line": "{summed._digest(text)}"}}'
    with (directory / journal.NAME).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(StoreError, match="nested too deeply"):
        Manifest.open(directory)


def test_a_link_is_refused_and_not_written_through(manifest, tmp_path):
    path = manifest.directory / journal.NAME
    path.rename(tmp_path / "mine")
    path.symlink_to(tmp_path / "mine")
    before = (tmp_path / "mine").read_bytes()
    with pytest.raises(StoreError, match="is a link; allowed: a file"):
        Manifest.open(manifest.directory)
    with pytest.raises(OSError, match=r"trajectory\.jsonl"):
        add(manifest, 4)
    assert (tmp_path / "mine").read_bytes() == before


def test_after_an_exception_none_of_it_counts(manifest):
    before = expected(manifest)
    with contextlib.suppress(ZeroDivisionError), manifest.at_once():
        add(manifest, 4)
        raise ZeroDivisionError
    assert expected(manifest) == before
    add(manifest, 4)
    assert read(manifest) == expected(manifest)
    assert [one["epoch"] for one in read(manifest)["epochs"]] == [0, 1, 2, 3, 4]


def test_more_that_is_said_of_the_last_epoch_is_a_line_too(manifest):
    manifest.add_metrics({"test": {"f1": 0.5}})
    manifest.append()
    manifest.add_metrics({"test": {"auc": 0.75}})
    manifest.append()
    assert len(lines(manifest.directory)) == 5
    assert read(manifest)["epochs"][-1]["metrics"] == {"test": {"f1": 0.5, "auc": 0.75}}


def test_epochs_that_are_dropped_do_not_come_back(manifest, monkeypatch):
    """Killed when trajectory.json, which is what it was, has been written, and no more."""
    directory = manifest.directory
    values = json.loads((directory / trajectory.NAME).read_text())
    manifest.values = values

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        manifest.write()
    assert Manifest.open(directory).trained == 1


def adding(directory):
    manifest = Manifest.open(directory)
    for epoch in range(manifest.trained, 100_000):
        add(manifest, epoch)


def test_killed_as_it_adds_all_that_was_added_is_there(manifest, processes):
    directory = manifest.directory
    for _ in range(2):
        before = len(lines(directory))
        process = processes.forked(adding, directory)
        while len(lines(directory)) < before + 20:
            assert process.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        found = Manifest.open(directory)
        assert found.trained >= before + 20
        assert found.check_intact(range(found.trained)) is None


def test_a_journal_is_read_before_it_is_too_large(manifest, monkeypatch):
    monkeypatch.setitem(journal.reading.LARGEST, ".jsonl", 100)
    with pytest.raises(PolyakError, match="larger than"):
        journal.read(manifest.directory, "")
