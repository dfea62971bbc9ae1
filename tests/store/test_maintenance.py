import pytest
import torch

from polyak import files
from polyak.__main__ import main
from polyak.data import arrays as arrays_module
from polyak.data.splitting import split
from polyak.store import paths
from polyak.store.trajectory import Trajectory
from tests.store.damage import flip
from tests.store.trajectories import keys_of, make_recipe, train


@pytest.fixture(scope="module")
def data(arrays):
    return split(arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz")), 0)


@pytest.fixture
def kept(tmp_path, data):
    """A trajectory that a run needs."""
    run = tmp_path / "run"
    trajectory, _ = train(tmp_path / "store", data, epochs=1, run=run)
    files.link(paths.checkpoint(trajectory.directory, 0), paths.checkpoint(run, 0))
    return trajectory, run


@pytest.fixture
def unused(tmp_path, data):
    return train(tmp_path / "store", data, make_recipe(seed=1), epochs=2)[0]


def command(tmp_path, *arguments):
    return main(["store", *arguments, "--store", str(tmp_path / "store")])


def test_list_says_what_epochs_size_and_runs(tmp_path, kept, unused, capsys):
    assert command(tmp_path, "list") == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines[kept[0].fingerprint][1] == "1"
    assert lines[kept[0].fingerprint][4] == "1"
    assert lines[unused.fingerprint][1] == "2"
    assert lines[unused.fingerprint][4] == "0"
    assert lines[unused.fingerprint][-2:] == ["seed", "1"]


def test_verify_names_what_is_corrupted(tmp_path, kept, unused, capsys):
    assert command(tmp_path, "verify") == 0
    flip(paths.checkpoint(unused.directory, 1))
    assert command(tmp_path, "verify") == 1
    printed = capsys.readouterr().out
    assert f"{kept[0].fingerprint}: intact" in printed
    assert f"{unused.fingerprint}: corrupted" in printed
    assert "checkpoints/epoch_001.safetensors: changed" in printed
    assert command(tmp_path, "verify", kept[0].fingerprint) == 0


def test_nothing_is_removed_without_yes(tmp_path, kept, unused, capsys):
    assert command(tmp_path, "remove") == 0
    assert f"{unused.fingerprint}: would be removed" in capsys.readouterr().out
    assert unused.directory.exists()


def test_fingerprints_may_follow_an_option(tmp_path, kept, unused):
    assert command(tmp_path, "remove", "--yes", unused.fingerprint) == 0
    assert not unused.directory.exists()


def test_only_what_no_run_needs_is_removed(tmp_path, kept, unused):
    assert command(tmp_path, "remove", "--yes") == 0
    assert not unused.directory.exists()
    assert paths.checkpoint(kept[0].directory, 0).exists()


def test_what_a_moved_run_has_links_to_is_kept(tmp_path, kept, capsys):
    trajectory, run = kept
    run.rename(tmp_path / "moved")
    assert command(tmp_path, "remove", trajectory.fingerprint, "--yes") == 1
    assert "kept, needed by links from other directories" in capsys.readouterr().out
    assert paths.checkpoint(trajectory.directory, 0).exists()


def test_what_cannot_be_read_goes_only_by_name(tmp_path, unused):
    (unused.directory / "trajectory.json").write_text("{")
    assert command(tmp_path, "list") == 0
    assert command(tmp_path, "verify") == 1
    assert command(tmp_path, "remove", "--yes") == 0
    assert unused.directory.exists()
    assert command(tmp_path, "remove", unused.fingerprint, "--yes") == 0
    assert not unused.directory.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["list", "0123"],
            "store: has no 0123; allowed: whole fingerprints, which `store list` shows\n",
        ),
        (["list", "--store", "nowhere"], "error: nowhere: there is no such store\n"),
    ],
)
def test_what_is_not_there_is_an_error(tmp_path, kept, arguments, message, capsys):
    assert main(["store", "--store", str(tmp_path / "store"), *arguments]) == 1
    assert message in capsys.readouterr().err


def everything(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((name, {"thesis.pdf": "years of work"}) for name in ("my_folder", "0123456789abcdef")),
        ("0123456789abcdef", {"trajectory.json": "{}", "notes.txt": "mine"}),
        ("my_folder", {"trajectory.json": '{"format": 2, "waypoints": []}'}),
        ("0123456789abcdef", {"checkpoints/best.pt": "mine"}),
    ],
)
def test_what_is_no_trajectory_is_neither_listed_nor_removed(
    tmp_path, unused, content, name, capsys
):
    folder = tmp_path / "store" / name
    for file, text in content.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    before = everything(folder)
    assert command(tmp_path, "list") == 0
    assert name not in capsys.readouterr().out
    assert command(tmp_path, "remove", "--yes") == 0
    assert command(tmp_path, "remove", name, "--yes") == 1
    assert everything(folder) == before
    assert not unused.directory.exists()


def test_a_link_to_a_folder_elsewhere_is_not_followed(tmp_path, unused):
    unused.directory.rename(tmp_path / "elsewhere")
    unused.directory.symlink_to(tmp_path / "elsewhere")
    before = everything(tmp_path / "elsewhere")
    assert command(tmp_path, "remove", "--yes") == 0
    assert everything(tmp_path / "elsewhere") == before


def test_a_strangers_file_in_a_trajectory_stays(tmp_path, unused, capsys):
    (unused.directory / "checkpoints" / "mine.pt").write_text("mine")
    assert command(tmp_path, "remove", "--yes") == 1
    assert "checkpoints/mine.pt are not a trajectory's" in capsys.readouterr().out
    assert [path.name for path in everything(unused.directory)] == ["mine.pt"]


@pytest.mark.parametrize("action", [["list"], ["verify"], ["remove", "--yes"]])
def test_an_older_store_is_refused_and_left_as_it_is(tmp_path, unused, action, capsys):
    (tmp_path / "store" / "store.json").unlink()
    before = everything(tmp_path / "store")
    assert command(tmp_path, *action) == 1
    assert "format 2 or older, and this version reads 3 and 4. Move it" in capsys.readouterr().err
    assert everything(tmp_path / "store") == before


def test_a_trajectory_whose_training_was_killed_is_listed_verified_and_removed(
    tmp_path, data, capsys
):
    trajectory = Trajectory(tmp_path / "store", make_recipe(seed=2), data)
    cpu = torch.device("cpu")
    training = trajectory.epochs(count=9, device=cpu, keys=keys_of(data))
    for _ in range(3):
        next(training)
    training.close()
    assert (trajectory.directory / "trajectory.jsonl").exists()
    assert command(tmp_path, "list") == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[1] == "3"
    assert command(tmp_path, "verify") == 0
    flip(paths.checkpoint(trajectory.directory, 2))
    assert command(tmp_path, "verify") == 1
    assert command(tmp_path, "remove", "--yes") == 0
    assert not trajectory.directory.exists()
