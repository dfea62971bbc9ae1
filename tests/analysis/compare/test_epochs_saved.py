"""Epochs saved, of one training and of a candidate's."""

import math

import pytest

from analysis.compare.epochs_saved import epochs_saved, saved_by_one
from analysis.compare.groups import facets
from analysis.read.load import load
from analysis.read.window_table import windows
from tests.analysis.statistics.conftest import random
from tests.analysis.synthetic_runs import write_run


@pytest.mark.parametrize(
    ("running", "saved"),
    [
        ({10: 0.80, 11: 0.85, 12: 0.90, 13: 0.91}, 7),
        ({10: 0.90, 11: 0.91}, 9),
        ({10: 0.95, 11: 0.85, 12: 0.91}, 7),  # epoch 10 was luck
        ({12: 0.91, 11: 0.85, 10: 0.95}, 7),  # in any order
        ({10: 0.95, 11: 0.95, 12: 0.89}, None),  # not held to the end
        ({10: 0.1}, None),
        ({19: 0.9}, 0),  # as accurate as the last, at the last
        ({10: 0.95, 14: 0.95, 19: 0.95}, 9),
    ],
)
def test_epochs_saved(running, saved):
    assert saved_by_one(running, 19, 0.9) == saved


def test_epochs_saved_is_what_a_plain_search_finds():
    generator = random()
    for _ in range(300):
        start, last = generator.integers(0, 6), 11
        running = {e: float(generator.integers(4, 8)) / 8 for e in range(start, last + 1)}
        held = [e for e in running if all(running[f] >= 0.6 for f in running if f >= e)]
        assert saved_by_one(running, last, 0.6) == (last - min(held) if held else None)


@pytest.mark.parametrize(
    ("running", "message"),
    [({}, "no running average"), ({18: 0.9, 20: 0.9}, "past the last"), ({3: math.nan}, "finite")],
)
def test_epochs_saved_refuses(running, message):
    with pytest.raises(ValueError, match=message):
        saved_by_one(running, 19, 0.9)


def test_epochs_saved_refuses_a_last_accuracy_that_is_none():
    with pytest.raises(ValueError, match="finite"):
        saved_by_one({3: 0.9}, 19, math.nan)


def facet_of(folder):
    (facet,) = facets(load([folder]))
    return facet


def test_epochs_saved_need_the_average_after_every_epoch(tmp_path):
    write_run(tmp_path / "s" / "a", start=2, gain=0.2, running=True, lr=0.02)
    facet = facet_of(tmp_path / "s")
    # The average, far above the last checkpoint, is so from the window's first epoch on.
    assert epochs_saved(windows(facet.runs, facet.epochs)[0], facet.runs) == [(0, 3)]
    write_run(tmp_path / "s" / "b", start=2, gain=0.2, seed=1, lr=0.02)
    facet = facet_of(tmp_path / "s")
    assert epochs_saved(windows(facet.runs, facet.epochs)[0], facet.runs) == []


def test_an_average_below_the_last_checkpoint_saves_nothing(tmp_path):
    write_run(tmp_path / "s" / "a", start=2, gain=-0.3, running=True)
    facet = facet_of(tmp_path / "s")
    assert epochs_saved(windows(facet.runs, facet.epochs)[0], facet.runs) == [(0, None)]
