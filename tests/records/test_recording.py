"""Lines of index.jsonl: as they were written, or as if they weren't there."""

import hashlib
import json
import os
import time

import pytest

from polyak.errors import StoreError
from polyak.records import reading, recording, summed
from polyak.records.recording import Entry
from polyak.store.record_index import RecordIndex

HASHES = {"sha256": "1" * 64, "epoch_weights_sha256": "3" * 64}
VALUES = {"file": "mean_00000058.safetensors", "begin": 0, "end": 58, **HASHES}


def signed(text):
    """A line with a checksum that is right, whatever it says."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f'{text[:-1]}, "line": "{digest}"}}'


def test_a_line_comes_back():
    entry = Entry(**VALUES)
    assert entry.line == signed(json.dumps(VALUES, sort_keys=True))
    assert Entry.of(entry.line) == entry
    removed = entry.model_copy(update={"sha256": ""})
    assert Entry.of(removed.line) == removed


@pytest.mark.parametrize(
    "changed",
    [
        {"file": "../../../mine.safetensors"},
        {"file": "mean_00000058.safetensors\n"},
        {"file": "/etc/passwd"},
        {"file": "index.jsonl"},
        {"file": ["mean_00000058.safetensors"]},
        {"file": "step_00000057.safetensors"},
        {"begin": 58},
        {"begin": -1},
        {"begin": 0.0},
        {"begin": True},
        {"end": "58"},
        {"end": 10**400},
        {"sha256": None},
        {"sha256": "1" * 63},
        {"epoch_weights_sha256": ""},
        {"epoch_weights_sha256": {"a": 1}},
    ],
)
def test_a_line_that_does_not_fit_is_no_record_even_with_its_checksum(tmp_path, changed):
    lines = [signed(json.dumps(VALUES | changed)), Entry(**VALUES).line]
    (tmp_path / recording.NAME).write_text("".join(f"{line}\n" for line in lines))
    assert summed.read(tmp_path / recording.NAME, Entry)[0] == [Entry(**VALUES)]


@pytest.mark.parametrize(
    "text",
    [
        '{"file": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "}",
        "[]",
        json.dumps({**VALUES, "begin": float("nan")}),
        "{}",
        "\x00\udcff}",
    ],
)
def test_a_line_that_is_no_entry_at_all_is_no_record(tmp_path, text):
    path, line = tmp_path / recording.NAME, f"{signed(text)}\n".encode("utf-8", "surrogateescape")
    path.write_bytes(line + line[:-1])
    assert summed.read(path, Entry) == ([], len(line))
    summed.append(path, [Entry(**VALUES)], at=len(line))
    assert path.read_bytes() == line + Entry(**VALUES).line.encode() + b"\n"


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "endless", "lines", "large"])
def test_a_list_that_can_not_be_read_or_leads_elsewhere_is_refused(tmp_path, kind, monkeypatch):
    path, mine = tmp_path / recording.NAME, tmp_path / "mine.txt"
    mine.write_text("mine")
    monkeypatch.setitem(reading.LARGEST, ".jsonl", 2 * reading.MEGABYTE)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "lines":
        path.write_bytes(b"\n" * (reading.MOST_LINES + 1))
    elif kind == "large":
        path.write_bytes(b"x" * (2 * reading.MEGABYTE + 1))
    else:
        path.symlink_to("/dev/zero" if kind == "endless" else mine)
    began = time.perf_counter()
    with pytest.raises(StoreError, match=r"index\.jsonl: .*; move it away"):
        RecordIndex.read(tmp_path)
    assert time.perf_counter() - began < 2
    assert mine.read_text() == "mine"


def test_only_what_a_recording_may_have_is_dropped(tmp_path):
    names = {"mine.safetensors", "mean.safetensors", "mean_00000058.safetensors.safetensors"}
    for name in {*names, "mean_00000058.safetensors", "step_123456789.safetensors"}:
        (tmp_path / name).touch()
    RecordIndex.read(tmp_path).drop_unlisted()
    assert {path.name for path in tmp_path.iterdir()} == names
