"""The commands of a recording, with a file of somebody's own."""

import sys

import pytest

from polyak.__main__ import main
from polyak.records import widths, windows
from tests.study.test_study import STEPS, record

FILE = """
import torch
from its_neighbour import INPUTS, LABELS, made

MODEL = made(norm={norm})

def evaluate(state):
    MODEL.load_state_dict(state)
    return {{"validation": (MODEL.eval()(INPUTS), LABELS)}}

def metrics(state):
    logits, labels = evaluate(state)["validation"]
    return {{"validation": {{"error": (logits.argmax(dim=1) != labels).float().mean()}}}}

def batches():
    yield INPUTS
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "its_neighbour.py").write_text("from tests.study.test_study import *\n")
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.delitem(sys.modules, "its_neighbour", raising=False)
    return tmp_path


def test_windows_and_widths_of_a_recording(folder, capsys):
    directory = record(folder / "run", means=True, every=2, steps_per_epoch=STEPS)
    (folder / "plain_file.py").write_text(FILE.format(norm=False))
    evaluate = f"{folder / 'plain_file.py'}:evaluate"
    assert main(["windows", str(directory), "--evaluate", evaluate, "--starts", "1,2"]) == 0
    assert len(windows.TABLE.read(directory / "windows.csv")) == 3 + 2
    said = capsys.readouterr().out
    assert "selected on validation" in said
    assert "5 windows in windows.csv; " in said
    assert main(["widths", str(directory), "--evaluate", evaluate, "--shares", "0.5", "1"]) == 0
    assert {row.split for row in widths.TABLE.read(directory / "widths.csv")} == {"validation"}
    assert "selected on validation" in capsys.readouterr().out
    assert (directory / "figures" / "windows.png").exists()
    assert (directory / "figures" / "widths.png").exists()
    assert main(["windows", str(directory)]) == 1
    assert "of a recording, give --evaluate FILE.py:NAME too" in capsys.readouterr().err
    assert main(["windows", str(directory), "--evaluate", evaluate, "--metric", "loss"]) == 1
    assert "windows.csv: was evaluated by evaluate, accuracy" in capsys.readouterr().err


def test_a_metric_of_ones_own_and_statistics(folder, capsys):
    directory = record(folder / "run", norm=True)
    path = folder / "norm_file.py"
    path.write_text(FILE.format(norm=True))
    given = ["windows", str(directory), "--evaluate", f"{path}:metrics", "--metric", "error"]
    given += ["--lower", "--starts", "2", "--ends", "4"]
    assert main(given) == 1
    assert "the weights have running statistics" in capsys.readouterr().err
    assert main([*given, "--refresh", f"{path}:batches", "--model", f"{path}:MODEL"]) == 0
    (row,) = windows.table_of("error").read(directory / "windows.csv")
    assert f"{row.score:#.4g}  epochs 2..3, selected on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("evaluate", "said"),
    [
        ("nothing.py:evaluate", "--evaluate nothing.py:evaluate: allowed: FILE.py:NAME"),
        ("file.py", "allowed: FILE.py:NAME"),
        ("file.py:other", "file.py has no other"),
    ],
)
def test_files_and_names_that_are_not_there(folder, capsys, monkeypatch, evaluate, said):
    monkeypatch.chdir(folder)
    (folder / "file.py").write_text("")
    assert main(["windows", "run", "--evaluate", evaluate]) == 1
    assert said in capsys.readouterr().err


def test_a_file_that_ends_the_process_is_no_success(folder, capsys):
    directory = record(folder / "run")
    (folder / "script_file.py").write_text("import sys\nevaluate = print\nsys.exit(0)\n")
    evaluate = f"{folder / 'script_file.py'}:evaluate"
    assert main(["windows", str(directory), "--evaluate", evaluate]) == 1
    assert "script_file.py exits when it is run; allowed" in capsys.readouterr().err
