"""Averages of every width of a run that has step means."""

import pytest

from polyak.__main__ import main
from polyak.averaging.scheme import Intervals
from polyak.averaging.schemes.ema import Ema
from polyak.config.finished import FinishedRun
from polyak.errors import ConfigError
from polyak.maps.completed import missing
from polyak.maps.width_report import report
from polyak.maps.widths import KEY, Widths
from polyak.maps.windows import selected
from polyak.records.widths import TABLE, Row
from polyak.runs.recorded import RecordedWindow
from polyak.store.recording import Recording
from tests.runs.test_recorded import EPOCHS, STEPS

RECORDED = RecordedWindow.of(Recording(every=0.2, means=True), 0, EPOCHS, STEPS, means=True)
WIDTHS = Widths.of(RECORDED, EPOCHS * STEPS)


def test_windows_begin_where_intervals_do_and_each_is_wanted_once():
    found = WIDTHS.wanted((0.001, 0.05, 0.06, 0.26, 1.0))
    assert found == [("uniform", 2.0), ("uniform", 10.0), ("uniform", 40.0), *_half_lives()]


def _half_lives():
    # Not 0.04 steps, less than an interval, nor 40, more than half of the window.
    return [("ema", 2.0), ("ema", 2.4), ("ema", 10.4)]


def test_an_interval_that_an_epochs_end_cuts_short_allows_no_shorter_half_life():
    cut = RecordedWindow.of(Recording(every=4, means=True), 0, EPOCHS, STEPS, means=True)
    assert set(cut.intervals.lengths) == {4, 2}
    found = Widths.of(cut, EPOCHS * STEPS).wanted((0.05, 0.09, 0.1))
    assert [one for one in found if one[0] == "ema"] == [("ema", 4.0)]
    whole = RecordedWindow.of(Recording(means=True), 0, EPOCHS, STEPS, means=True)
    assert ("ema", 10.0) in Widths.of(whole, EPOCHS * STEPS).wanted((0.25,))


def test_a_window_has_one_weight_per_step_and_an_ema_leaves_out_what_does_not_count():
    intervals, weights = WIDTHS.weights(("uniform", 10.0))
    assert (intervals.span, list(weights)) == (10, [2.0] * 5)
    intervals, weights = WIDTHS.weights(("ema", 0.5))
    assert len(intervals.steps) == len(weights) < len(RECORDED.intervals.steps)
    whole = Ema(half_life=0.5).over_steps(RECORDED.intervals)
    assert sum(weights) == pytest.approx(sum(whole), rel=1e-8)


@pytest.mark.parametrize("recorded", [None, "checkpoints"])
def test_a_run_that_averages_checkpoints_has_no_widths(recorded):
    window = recorded and RecordedWindow(
        Recording(every=2), 0, Intervals([range(2)], STEPS, means=False)
    )
    with pytest.raises(ConfigError, match=r"recording=means averaging\.of=steps"):
        Widths.of(window, 40)


def test_a_width_that_was_evaluated_on_some_splits_alone_has_empty_cells():
    rows = [Row("ema", 2.0, 0.1, "test", 1.0, 0.5), Row("uniform", 2.0, 0.1, "train", 1.0, 0.25)]
    heading, first, second = report(rows).splitlines()
    assert heading.split()[-4:] == ["train,", "%", "test,", "%"]
    assert (first.split(), second.split()) == (
        ["ema", "2", "10.00", "50.00"],
        ["uniform", "2", "10.00", "25.00"],
    )
    assert len(first) == len(second) == len(heading)  # each under its column


def test_the_command_evaluates_each_width_and_goes_on_where_it_stopped(train, tmp_path, capsys):
    options = ("recording=means", "recording.every=0.5", "averaging.of=steps", "averaging.start=0")
    norm = ("model.batch_norm=true", "averaging.batch_norm=last")
    train("name=run", "dataset.validation=60", *norm, *options)
    directory = tmp_path / "outputs" / "runs" / "run"
    assert main(["widths", str(directory), "--shares", "0.2", "1"]) == 0
    path = directory / TABLE.name
    rows = TABLE.read(path)
    assert {row.split for row in rows} == {"validation", "test"}
    assert selected(rows) is not None
    assert "selected on validation" in capsys.readouterr().out
    assert (directory / "figures" / "widths.png").exists()
    run = FinishedRun(directory)
    steps = run.job.recipe.steps(len(run.job.data.train)) * run.summary.epochs
    found = Widths.of(run.job.recorded, steps)
    (whole,) = (row for row in rows if (row.kind, row.share, row.split) == ("uniform", 1, "test"))
    result = run.summary.results["average"]
    assert result is not None
    assert (whole.accuracy, whole.loss) == (result.test.accuracy, result.test.loss)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:5])
    wanted = found.wanted((0.2, 1))
    assert missing(TABLE.read(path), KEY, wanted, ["validation", "test"]) == wanted[1:]
    assert main(["widths", str(directory), "--shares", "0.2", "1"]) == 0
    assert TABLE.read(path) == rows
