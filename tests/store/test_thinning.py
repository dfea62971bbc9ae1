"""`store thin`: of what is recorded between epochs' ends, only what the best windows need stays."""

import json
import signal
import subprocess
import sys

import pytest

from polyak import files
from polyak.__main__ import main
from polyak.data import arrays as arrays_module
from polyak.data.splitting import split
from polyak.store import paths
from polyak.store.recording import Recording
from tests.runs.records import SUMMARY
from tests.store.trajectories import contents, train

EVERY_3 = Recording(every=3, means=True)
HEADER = "start,end,count,split,loss,accuracy\n"
WINDOWS = HEADER + (
    "0,1,1,validation,0.5,0.3\n0,1,1,test,0.1,0.99\n"
    "1,2,1,validation,0.5,0.4\n2,3,1,validation,0.6,0.5\n2,4,2,validation,0.4,0.5\n"
)
"""By validation: epochs 2 and 3 (of equals the lower loss), 2, 1, 0."""


@pytest.fixture(scope="module")
def data(arrays):
    return split(arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz")), 60)


@pytest.fixture
def stored(tmp_path, data):
    run = tmp_path / "run"
    options = {"epochs": 4, "run": run, "recording": EVERY_3}
    trajectory, _ = train(tmp_path / "store", data, **options)
    files.link(paths.checkpoint(trajectory.directory, 0), paths.checkpoint(run, 0))
    (run / "windows.csv").write_text(WINDOWS)
    return trajectory, run


def thin(tmp_path, *arguments):
    return main(["store", "thin", *arguments, "--store", str(tmp_path / "store")])


def recorded(trajectory):
    return sorted(path.name for path in trajectory.directory.glob("recordings/*/*.safetensors"))


def of_epochs(*epochs):
    ends = {"mean": [3, 6, 8], "step": [3, 6]}
    return sorted(
        paths.record(kind, 8 * epoch + end)
        for kind, after in ends.items()
        for epoch in epochs
        for end in after
    )


@pytest.mark.parametrize(
    ("best", "kept"), [("1", (2, 3)), ("2", (2, 3)), ("3", (1, 2, 3)), ("9", (0, 1, 2, 3))]
)
def test_what_the_best_windows_need_stays(tmp_path, stored, best, kept):
    trajectory, _ = stored
    assert recorded(trajectory) == of_epochs(0, 1, 2, 3)
    assert thin(tmp_path, "--best", best, "--yes") == 0
    assert recorded(trajectory) == of_epochs(*kept)
    assert main(["store", "verify", "--store", str(tmp_path / "store")]) == 0


def test_nothing_goes_without_yes(tmp_path, stored, capsys):
    before = recorded(stored[0])
    assert thin(tmp_path, "--best", "1") == 0
    said = capsys.readouterr().out
    assert "10 files" in said
    assert "would be removed (add --yes)" in said
    assert "2 epochs from 2 to 3" in said
    assert recorded(stored[0]) == before


def test_what_any_directory_links_to_stays(tmp_path, stored):
    trajectory, _ = stored
    source = paths.recordings(trajectory.directory, EVERY_3.name) / paths.record("mean", 3)
    files.link(source, tmp_path / "elsewhere.safetensors")
    assert thin(tmp_path, "--best", "1", "--yes") == 0
    assert recorded(trajectory) == sorted([*of_epochs(2, 3), "mean_00000003.safetensors"])


def test_a_run_that_needs_what_went_trains_it_again_to_the_same_bits(tmp_path, stored, data):
    trajectory, _ = stored
    before = contents(trajectory)
    thin(tmp_path, "--best", "1", "--yes")
    again, _ = train(tmp_path / "store", data, epochs=4, recording=EVERY_3)
    assert contents(again) == before


@pytest.mark.parametrize("left", [None, HEADER, HEADER + "0,1,1,test,0.1,0.9\n"])
def test_without_scores_on_validation_all_stays(tmp_path, stored, capsys, left):
    trajectory, run = stored
    (run / "windows.csv").unlink()
    if left:
        (run / "windows.csv").write_text(left)
    assert thin(tmp_path, "--best", "1", "--yes") == 0
    assert "dataset.validation, then python -m polyak windows RUN" in capsys.readouterr().out
    assert recorded(trajectory) == of_epochs(0, 1, 2, 3)


def test_windows_that_cannot_be_read_are_said_and_all_stays(tmp_path, stored, capsys):
    trajectory, run = stored
    (run / "windows.csv").write_text(HEADER + "0,1,1,validation,0.5,much\n")
    assert thin(tmp_path, "--best", "1", "--yes") == 1
    assert "windows.csv" in capsys.readouterr().out
    assert recorded(trajectory) == of_epochs(0, 1, 2, 3)


def test_the_windows_of_a_run_of_another_trajectory_do_not_count(tmp_path, stored, capsys):
    trajectory, run = stored
    (run / "summary.json").write_text(json.dumps({**SUMMARY, "fingerprint": "0" * 16}))
    assert thin(tmp_path, "--best", "1", "--yes") == 0
    assert "none of its runs has windows" in capsys.readouterr().out
    assert recorded(trajectory) == of_epochs(0, 1, 2, 3)


def test_windows_of_epochs_that_are_not_there_are_said_and_all_stays(tmp_path, stored, capsys):
    trajectory, run = stored
    (run / "windows.csv").write_text(HEADER + "10,20,10,validation,0.5,0.5\n")
    assert thin(tmp_path, "--best", "1", "--yes") == 1
    assert "has a window up to epoch 19, and there are 4 epochs" in capsys.readouterr().out
    assert recorded(trajectory) == of_epochs(0, 1, 2, 3)


def test_what_a_killed_thinning_has_left_goes_with_the_next(tmp_path, stored):
    trajectory, _ = stored
    code = f"""
import os, pathlib
from polyak.__main__ import main
count, unlink = 0, pathlib.Path.unlink
def killed(path, *given, **named):
    global count
    count += path.name.startswith(("mean", "step"))
    if count == 4:
        os.kill(os.getpid(), 9)
    unlink(path, *given, **named)
pathlib.Path.unlink = killed
main(["store", "thin", "--best", "1", "--yes", "--store", {str(tmp_path / "store")!r}])
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(recorded(trajectory)) == 17
    assert main(["store", "verify", "--store", str(tmp_path / "store")]) == 0
    assert thin(tmp_path, "--best", "1", "--yes") == 0
    assert recorded(trajectory) == of_epochs(2, 3)


def test_a_folder_that_leads_elsewhere_is_refused(tmp_path, stored, capsys):
    trajectory, _ = stored
    (trajectory.directory / "recordings").rename(tmp_path / "theirs")
    (trajectory.directory / "recordings").symlink_to(tmp_path / "theirs")
    assert thin(tmp_path, "--best", "1", "--yes") == 1
    assert "link" in capsys.readouterr().out
    assert len(list((tmp_path / "theirs").rglob("*.safetensors"))) == 20


@pytest.mark.parametrize("arguments", [["thin"], ["list", "--best", "3"]])
def test_best_goes_with_thin(tmp_path, stored, capsys, arguments):
    assert main(["store", *arguments, "--store", str(tmp_path / "store")]) == 1
    assert "--best N" in capsys.readouterr().err
