"""What is read of a run, whoever wrote it."""

import json
import math

import pytest

from polyak.errors import PolyakError
from polyak.records.summary import Summary
from polyak.tracking import tracked
from polyak.tracking.backend import Point
from tests.runs.records import SUMMARY
from tests.tracking.runs import ROWS, write


@pytest.fixture
def run(tmp_path):
    return write(tmp_path / "runs" / "one")


def origin(run):
    return tracked.origin_of(run, Summary.read(run).config)


def test_epochs_come_first_then_the_averages(run):
    first = {"lr": 0.1, "train/loss": 2.0, "test/accuracy": 0.5, "test/f1": 0.4}
    second = {"lr": 0.1, "train/loss": 1.0, "test/accuracy": 0.75}
    average = Point("epoch", 1, {"average/test/accuracy": 0.8})
    expected = [Point("epoch", 0, first), Point("epoch", 1, second), average]
    assert list(tracked.points(run)) == expected


def test_a_row_told_as_it_is_trained_is_that_of_the_file(run):
    assert [tracked.epoch(row) for row in ROWS] == list(tracked.points(run))[:2]


def test_what_is_not_finite_is_left_out():
    row = {"epoch": 3, "test_loss": math.inf, "val_loss": math.nan, "val_accuracy": 0.5}
    assert tracked.epoch(row) == Point("epoch", 3, {"validation/accuracy": 0.5})


def test_tables_of_windows_and_widths_are_curves(run):
    rows = ["0,1,1,test,1.0,0.5", "0,2,2,test,0.9,0.6", "1,2,1,test,0.8,0.7"]
    (run / "windows.csv").write_text("\n".join(["start,end,count,split,loss,accuracy", *rows, ""]))
    header = "kind,steps,share,split,loss,accuracy\n"
    (run / "widths.csv").write_text(f"{header}ema,12.4,0.1,test,inf,0.75\n")
    assert list(tracked.points(run))[3:] == [
        Point("windows/start", 0, {"windows/test/loss": 0.9, "windows/test/accuracy": 0.6}),
        Point("windows/start", 1, {"windows/test/loss": 0.8, "windows/test/accuracy": 0.7}),
        Point("widths/steps", 12, {"widths/ema/test/accuracy": 0.75}),
    ]


def test_the_outcome_has_scores_gains_figures_and_what_it_was_made_of(run):
    found = tracked.outcome(run)
    assert found.scores == {"results/average/test/accuracy": 0.8, "gains/over_last/test": 0.05}
    assert found.images == {"figures/accuracy": run / "figures" / "accuracy.png"}
    assert (found.tags["run.scheme"], found.tags["run.window"]) == ("uniform", "0..1")
    assert found.epochs == 2


def test_the_identity_is_the_runs_and_not_its_places(run, tmp_path):
    config = {"seed": 1, "training": {"threads": 1}, "paths": {"outputs": "/a"}}
    one = tracked.origin_of(run, config)
    assert one.name == "one"
    assert one.parameters == {"seed": 1, "training.threads": 1}
    moved = {"seed": 1, "training": {"threads": 2}, "paths": {"outputs": "/b"}}
    assert tracked.origin_of(tmp_path / "else" / "runs" / "one", moved).identity == one.identity
    assert tracked.origin_of(run, {**config, "seed": 2}).identity != one.identity
    assert tracked.origin_of(run.with_name("two"), config).identity != one.identity
    assert tracked.origin_of(tmp_path / "sweep" / "seed=1", {}).name == "sweep/seed=1"


def test_names_and_texts_of_a_stranger_are_made_harmless(tmp_path):
    config = {"training": {"epochs": 2}, "../a/b\n": {"c d": "x\n\x1b[31m" + "y" * 900}, "": "z"}
    gains = {"../../over\n": {"test": 0.5}}
    run = write(tmp_path / "a b\n" / "..x/..", config=config, gains=gains)
    found = origin(run)
    assert found.name.count("/") == 1
    assert ".." not in found.name.split("/")
    for name in (found.name, *found.parameters, *tracked.outcome(run).scores):
        assert all(part.strip(".") and part.isascii() for part in name.split("/")), name
        assert name.isprintable()
    (text,) = (one for key, one in found.parameters.items() if key.endswith("c_d"))
    assert text.isprintable()
    assert len(text) == 500
    assert "gains/.._.._over_/test" in tracked.outcome(run).scores


def test_a_stranger_with_no_end_of_parameters_gives_some(tmp_path):
    many = {f"k{number}": number for number in range(9_999)}
    run = write(tmp_path / "r", config={"training": {"epochs": 2}, **many})
    assert len(origin(run).parameters) == tracked.MOST_PARAMETERS


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda run: (run / "figures/a.png").write_bytes(b"GIF89a"), "a.png: is no PNG"),
        (lambda run: (run / "summary.json").write_text("{"), "summary.json: can't be read"),
        (lambda run: (run / "summary.json").unlink(), "not a finished run"),
        (
            lambda run: (run / "summary.json").write_text(json.dumps(SUMMARY | {"gains": NAN})),
            "gains.over_last.test = nan: input should be a finite number",
        ),
    ],
)
def test_a_damaged_run_is_refused(run, harm, message):
    harm(run)
    with pytest.raises(PolyakError, match=message):
        tracked.outcome(run)


NAN = {"over_last": {"test": math.nan}}


def test_a_figure_that_is_a_link_is_left_out(run):
    (run / "figures" / "b.png").symlink_to(run / "figures" / "accuracy.png")
    assert list(tracked.outcome(run).images) == ["figures/accuracy"]
