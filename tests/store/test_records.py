"""A trajectory.json is believed where it is what was written; others go on without it."""

import json
import os
import random
import re

import pytest
from pydantic import TypeAdapter

from polyak import files
from polyak.__main__ import main
from polyak.data import arrays as arrays_module
from polyak.data.splitting import split
from polyak.errors import StoreError
from polyak.records.trajectory import FileName, checksum, write
from polyak.store import linked, paths
from polyak.store.manifest import Manifest
from tests.runs.records import SUMMARY, write_claim
from tests.store.trajectories import contents, make_recipe, train


@pytest.fixture(scope="module")
def data(arrays):
    return split(arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz")), 0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """A store with two trajectories, and the directory of the first."""
    store = tmp_path_factory.mktemp("records")
    first, _ = train(store, data, epochs=2)
    train(store, data, make_recipe(seed=1), epochs=1)
    return store, first.directory


@pytest.fixture
def values(trained):
    """Of the first trajectory.json, which is put back afterwards."""
    path = trained[1] / "trajectory.json"
    text = path.read_text()
    yield json.loads(text)
    path.write_text(text)


def command(store, *arguments):
    return main(["store", *arguments, "--store", str(store)])


def changed(*keys, to=None):
    """Changes what is at the keys; without a value, removes it."""

    def change(values):
        for key in keys[:-1]:
            values = values[key]
        if to is None:
            del values[keys[-1]]
        else:
            values[keys[-1]] = to

    return change


WRONG = [
    *(changed(key) for key in ("epochs", "files", "diverged", "environments", "ingredients")),
    *(changed(key, to=3) for key in ("epochs", "files", "diverged", "environments")),
    changed("format"),
    changed("ingredients", "optimizer", to=[1]),
    changed("ingredients", "model", to="x"),
    changed("epochs", 0, "loss"),
    changed("epochs", 0, "loss", to="1"),
    changed("epochs", 0, "accuracy", to=97.0),
    changed("epochs", 0),
    changed("epochs", 1, "epoch", to=7),
    changed("environments", to=[]),
    changed("environments", 0, "from_epoch", to=1),
    changed("environments", 0, "environment", "threads", to="many"),
    changed("files", "checkpoints/epoch_000.safetensors", to="no hash"),
    *(
        changed("files", name, to="0" * 64)
        for name in ("/etc/passwd", "../other", "checkpoints/../../x", "state/mine.pt")
    ),
]


@pytest.mark.parametrize("change", WRONG)
def test_a_record_that_does_not_fit_is_named_and_the_others_go_on(trained, values, change, capsys):
    """With a checksum of its own: whoever forges one may compute that too."""
    store, directory = trained
    change(values)
    write(directory, values)
    with pytest.raises(StoreError, match=rf"{directory}/trajectory\.json: .*; move"):
        Manifest.open(directory)
    for action, code in (("list", 0), ("verify", 1), ("remove", 0)):
        assert command(store, action) == code
        lines = capsys.readouterr().out.splitlines()
        named = [line for line in lines if line.startswith(directory.name)]
        assert len(named) == 1
        others = [path.name for path in store.iterdir() if path.is_dir() and path != directory]
        assert any(line.startswith(others[0]) for line in lines)


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_a_change_that_fits_is_noticed_by_the_checksum(trained, values):
    _, directory = trained
    path, generator = directory / "trajectory.json", random.Random(0)
    text, refused = path.read_text(), 0
    while refused < 200:
        place = generator.choice([at for at, one in enumerate(text) if one.isdigit()])
        digit = generator.choice([one for one in "0123456789" if one != text[place]])
        changed = text[:place] + digit + text[place + 1 :]
        if is_json(changed) and json.loads(changed) == json.loads(text):
            continue  # the seventeenth digit of a number may be another, and the number the same
        path.write_text(changed)
        with pytest.raises(StoreError):
            Manifest.open(directory)
        refused += 1
    values["sha256"] = "0" * 64
    path.write_text(json.dumps(values))
    with pytest.raises(StoreError, match="its sha256 is not that of its content"):
        Manifest.open(directory)


def test_the_checksum_is_of_the_content_in_any_order_and_layout(trained, values):
    _, directory = trained
    shuffled = dict(reversed(list(values.items())))
    (directory / "trajectory.json").write_text(json.dumps(shuffled))
    assert Manifest.open(directory).values == values
    assert checksum(values) == values["sha256"]


def of_before(store):
    """Make a store one of format 3."""
    files.write_json(store / "store.json", {"format": 3})
    for path in store.glob("*/trajectory.json"):
        values = json.loads(path.read_text())
        del values["sha256"]
        files.write_json(path, values | {"format": 3})


def test_a_store_of_format_3_is_read_and_continued(tmp_path, data):
    whole = contents(train(tmp_path / "whole", data, epochs=3)[0])
    store = tmp_path / "store"
    trajectory, _ = train(store, data, epochs=2)
    of_before(store)
    before = (trajectory.directory / "trajectory.json").read_bytes()
    again, _ = train(store, data, epochs=2)
    assert again.origin == "reused"
    assert (trajectory.directory / "trajectory.json").read_bytes() == before
    assert contents(train(store, data, epochs=3)[0]) == whole
    found = Manifest.open(trajectory.directory).values
    assert found["format"] == 4
    assert found["sha256"] == checksum(found)


def test_keys_that_this_version_does_not_know_are_kept(trained, values):
    _, directory = trained
    values["epochs"][0]["more"] = {"a": 1}
    write(directory, values | {"later": [1]})
    manifest = Manifest.open(directory)
    manifest.write()
    again = Manifest.open(directory).values
    assert again["later"] == [1]
    assert again["epochs"][0]["more"] == {"a": 1}


def test_runs_txt_may_hold_any_bytes(trained, capsys):
    store, directory = trained
    path = directory / "runs.txt"
    path.write_bytes(b"\xff\xfe\x00\n" + os.fsencode("/tmp/r\udcff") + b"\nrelative\n\n" + b"/" * 9)
    for action in ("list", "verify", "remove"):
        assert command(store, action) == 0
        assert directory.name in capsys.readouterr().out
    linked.note(directory, directory / os.fsdecode(b"r\xff"))
    assert path.read_bytes().splitlines()[-1] == os.fsencode(directory) + b"/r\xff"
    path.unlink()


def test_what_can_not_be_read_of_one_trajectory_stops_no_other(trained, capsys):
    """A lock that is a link to itself, and notes that are a folder."""
    store, directory = trained
    lock, runs = directory.with_suffix(".lock"), directory / "runs.txt"
    lock.unlink(missing_ok=True)
    lock.symlink_to(lock)
    assert command(store, "remove", "--yes", directory.name) == 1
    assert f"{directory.name}: " in capsys.readouterr().out
    assert paths.checkpoint(directory, 0).exists()
    lock.unlink()
    runs.mkdir()
    for action in ("list", "remove"):
        command(store, action)
        lines = capsys.readouterr().out.splitlines()
        assert any(line.startswith(directory.name) and "runs.txt" in line for line in lines)
        assert len([line for line in lines if line[:16].strip() not in ("", "fingerprint")]) == 2
    runs.rmdir()


@pytest.mark.parametrize("whose", ["nobody's", "another trajectory's", "ours"])
def test_only_runs_of_this_trajectory_get_its_repaired_files(tmp_path, data, whose):
    """runs.txt may name any directory; what it has stays."""
    run = tmp_path / "run"
    trajectory, _ = train(tmp_path / "store", data, epochs=1, run=run)
    link = paths.checkpoint(run, 0)
    link.parent.mkdir(parents=True)
    link.write_text("mine")
    if whose != "nobody's":
        write_claim(run)
    if whose == "another trajectory's":
        (run / "summary.json").write_text(json.dumps(SUMMARY))
    paths.checkpoint(trajectory.directory, 0).unlink()
    train(tmp_path / "store", data, epochs=1)
    assert (link.read_bytes() == b"mine") == (whose != "ours")


def test_states_that_are_not_recorded_go_and_other_files_stay(tmp_path, data):
    trajectory, _ = train(tmp_path, data, epochs=1)
    older, mine = paths.state(trajectory.directory, 99), trajectory.directory / "state" / "mine.pt"
    for path in (older, mine):
        path.write_text("")
    Manifest.open(trajectory.directory).drop_older_states()
    assert not older.exists()
    assert mine.exists()


def test_the_names_that_a_manifest_may_have_are_those_of_a_trajectory():
    names = [f"{folder}/epoch_000.safetensors" for folder in ("checkpoints", "state")]
    names += [f"evaluations/{'0a' * 8}/epoch_1234.safetensors"]
    adapter = TypeAdapter(FileName)
    for name in names:
        assert adapter.validate_python(name) == name
        assert re.fullmatch("|".join(paths.TRAJECTORY), name)
