"""While a run trains, and after the fact."""

import logging
import time
from threading import Thread

import pytest
from filelock import FileLock

from polyak.errors import PolyakError
from polyak.records.summary import Summary
from polyak.tracking import live as module
from polyak.tracking.live import live, track
from tests.tracking.runs import ROWS, Told, write


@pytest.fixture
def run(tmp_path):
    return write(tmp_path / "runs" / "one")


def follow(run, backend, rows=ROWS):
    with live(backend, run, Summary.read(run).config) as tracking:
        for row in rows:
            tracking.epoch(row)
        tracking.finish()


def test_live_and_after_the_fact_are_the_same(run):
    one, two = Told(), Told()
    follow(run, one)
    track(run, two)
    assert one.calls == two.calls
    assert [name for name, _ in one.calls] == ["open", "log", "log", "log", "finish", "close"]
    assert one.all("close") == [True]


def test_a_run_that_fails_is_closed_as_such(run):
    def diverging():
        yield ROWS[0]
        raise KeyError

    told = Told()
    with pytest.raises(KeyError):
        follow(run, told, diverging())
    assert told.all("close") == [False]
    assert len(told.all("log")) == 1
    assert not told.all("finish")


@pytest.mark.parametrize("failing", ["open", "log", "finish", "close"])
def test_a_tool_that_fails_is_one_warning_and_the_run_goes_on(run, failing, caplog):
    told = Told(failing)
    with caplog.at_level(logging.WARNING):
        follow(run, told)
    (said,) = caplog.messages
    assert said.startswith(
        "told failed (no network); the run goes on, untracked. When it is finished: "
        f"python -m polyak track {run} --to told --set failing={failing} "
    )


def test_a_tool_that_refuses_the_run_stops_it(run, monkeypatch):
    def refuse(self, origin):
        raise PolyakError("somebody else's")

    monkeypatch.setattr(Told, "open", refuse)
    with pytest.raises(PolyakError, match="somebody else's"), live(Told(), run, {}):
        raise AssertionError("not to be begun")


@pytest.mark.parametrize("failing", ["open", "log", "finish", "close"])
def test_after_the_fact_a_failure_is_an_error(run, failing):
    with pytest.raises(PolyakError, match=r"one: told failed \(no network\)"):
        track(run, Told(failing))


def test_a_run_that_another_process_tracks_is_waited_for(run):
    told = Told()
    second = Thread(target=track, args=(run, told))
    with FileLock(run / ".lock"):
        second.start()
        time.sleep(0.2)
        assert not told.calls
    second.join()
    assert told.all("close") == [True]


def test_it_is_not_waited_for_without_end(run, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.1)
    told = Told()
    with (
        FileLock(run / ".lock"),
        pytest.raises(PolyakError, match="one: another process has worked"),
    ):
        track(run, told)
    assert not told.calls
