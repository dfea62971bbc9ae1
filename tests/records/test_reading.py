"""Files of any content are plain values, or one message; and never a wait."""

import json
import os
import time

import pytest

from polyak.errors import PolyakError
from polyak.records import hydra, reading
from polyak.records.claim import Claim
from polyak.records.failure import Failure
from polyak.records.summary import Summary
from tests.runs.records import SUMMARY


def refused(path, read):
    began = time.perf_counter()
    with pytest.raises(PolyakError) as error:
        read(path)
    assert time.perf_counter() - began < 5
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert len(message) < 1000
    assert message.isprintable()
    return message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 20_000, "nested too deeply"),
        ("[" * 40 + "]" * 40, "nested deeper than 32"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (f'{{"a": {"9" * 400}}}', "'a' is an integer of 1329 bits"),
        (f'{{"a": {"9" * 5000}}}', "can't be read"),
        ('{"a": [NaN]}', "'a' = nan: allowed: finite"),
        ('{"a": 1e999}', "'a' = inf: allowed: finite"),
        ('{"a": "\x1b[31m"}', "can't be read"),
        (b'"\xff"', "can't be read"),
        ("", "can't be read"),
    ],
)
def test_json_that_is_not_plain_is_refused(tmp_path, content, said):
    path = tmp_path / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert said in refused(path, reading.plain_json)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 400_000, "nested deeper than 32"),  # libyaml's composer ends the process
        ("- " * 400_000, "nested deeper than 32"),
        ("a: &x [1]\nb: *x", "has an alias"),
        ("a: &x [*x]", "has an alias"),
        ("a: !!binary aGk=", "'a' is a bytes, no plain value"),
        ("a: 2024-01-01", "'a' is a date, no plain value"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("a: 1\na: 2", "the key 'a' is there twice"),
        ("? [a]\n: 1", "a key that is no text"),
        ("1: 2", "a key that is no text"),
        ("1" + ":1" * 100_000, "a number of 200,001 digits"),
        ("a: 0x" + "f" * 900, "'a' is an integer of 3600 bits"),
        ("a: .inf", "'a' = inf"),
        ("a: " + "b" * (1 << 20), "larger than 1 MB"),
        (b"a: \xff", "can't be read"),
    ],
)
def test_yaml_that_is_not_plain_is_refused(tmp_path, content, said):
    path = tmp_path / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert said in refused(path, reading.plain_yaml)


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "endless"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, kind):
    path = tmp_path / "a.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "endless" else path)
    assert "can't be read" in refused(path, reading.plain_json)


def test_a_file_that_is_not_there_is_another_error(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "a.json", tmp_path / "file" / "a.json"):
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            reading.plain_json(path)


def test_lines_are_names_of_files_in_any_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"/a\xff\n/b\xe2\x80\xa8c\n")
    found = reading.lines(tmp_path / "a.txt")
    assert [os.fsencode(line) for line in found] == [b"/a\xff", b"/b\xe2\x80\xa8c", b""]


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("window", "end"), -3, "window.end = -3: input should be greater than or equal to 0"),
        (("window", "end"), 10**18, "window.end = 10000"),
        (("window", "count"), 3, "3 epochs in range(0, 2)"),
        (("dataset", "sizes"), {"train": {}}, "dataset.sizes.train = {}"),
        (("dataset", "sizes"), {"../x": 1}, "string should match pattern"),
        (("evaluation_keys",), {"../../x": "0" * 16}, "string should match pattern"),
        (("environment",), {"commit": 7}, "commit = 7: allowed: a text"),
        (("environment",), {"threads": "many"}, "threads = 'many': allowed"),
        (("environment",), None, "environment = None"),
        (("weights",), [1], "1 weights for 2 checkpoints"),
        (("config",), {"training": {"epochs": 1}}, "config.training.epochs = 1: allowed: from 2"),
        (("config",), {"training": 3}, "config.training.epochs = None: allowed"),
        (("results",), {"\x1b": None}, "\\x1b"),
        (("seconds",), {"a": float("inf")}, "seconds.a = inf"),
    ],
)
def test_a_summary_has_one_schema(tmp_path, keys, value, said):
    changed = json.loads(json.dumps(SUMMARY))
    place = changed
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(changed))
    assert said in refused(path, lambda path: Summary.read(path.parent))


@pytest.mark.parametrize("lacking", sorted(SUMMARY))
def test_a_summary_needs_all_its_keys(tmp_path, lacking):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({key: value for key, value in SUMMARY.items() if key != lacking}))
    assert f"{lacking} is missing" in refused(path, lambda path: Summary.read(path.parent))


def test_a_claim_is_of_a_process_or_none(tmp_path):
    assert Claim.of(tmp_path) is None
    values = {"process": 7, "host": "here", "began": 1.5}
    for wrong in ({"process": "7"}, {"process": -1}, {"host": None}, {"began": float("nan")}):
        (tmp_path / "claim.json").write_text(json.dumps(values | wrong))
        assert Claim.of(tmp_path) is None
    (tmp_path / "claim.json").write_text(json.dumps(values))
    assert Claim.of(tmp_path).process == 7


def test_a_failures_reason_can_be_printed(tmp_path):
    values = {"stage": "training", "epoch": None, "kind": "E", "reason": "a\n\x1b[31mb"}
    (tmp_path / "failure.json").write_text(json.dumps(values))
    assert Failure.read(tmp_path).reason == "a\n\\x1b[31mb"


def test_what_hydra_wrote_has_one_schema(tmp_path):
    (tmp_path / ".hydra").mkdir()
    path = tmp_path / hydra.OVERRIDES
    for text in ("a: 1", "- [1]", "- 1", "text", ""):
        path.write_text(text)
        refused(path, lambda _: hydra.overrides(tmp_path))
    path.write_text("- seed=1\n")
    assert hydra.overrides(tmp_path) == ["seed=1"]
    (tmp_path / hydra.CONFIG).write_text("- 1")
    refused(tmp_path / hydra.CONFIG, lambda _: hydra.config(tmp_path))
