"""Epochs saved, of one trajectory and of a candidate's."""

import pytest

from analysis.compare.epochs_saved import saved
from tests.analysis.statistics.conftest import random
from tests.analysis.synthetic_runs import findings_in, write_run


@pytest.mark.parametrize(
    ("running", "epochs"),
    [
        ({10: 0.80, 11: 0.85, 12: 0.90, 13: 0.91}, 1),
        ({10: 0.90, 11: 0.91}, 1),
        ({10: 0.95, 11: 0.85, 12: 0.91}, 0),  # epoch 10 was luck
        ({12: 0.91, 11: 0.85, 10: 0.95}, 0),  # in any order
        ({10: 0.95, 11: 0.95, 12: 0.89}, None),  # not held to the end
        ({10: 0.1}, None),
        ({10: 0.95, 11: 0.95, 12: 0.95}, 2),
    ],
)
def test_epochs_saved(running, epochs):
    assert saved(running, 0.9) == epochs


def test_epochs_saved_is_what_a_plain_search_finds():
    generator = random()
    for _ in range(300):
        start, last = generator.integers(0, 6), 11
        running = {e: float(generator.integers(4, 8)) / 8 for e in range(start, last + 1)}
        held = [e for e in running if all(running[f] >= 0.6 for f in running if f >= e)]
        assert saved(running, 0.6) == (last - min(held) if held else None)


def test_epochs_saved_need_the_average_after_every_epoch(tmp_path):
    write_run(tmp_path / "s" / "a", start=2, gain=0.2, running=True, lr=0.02)
    # The average, far above the last checkpoint, is so from the window's first epoch on.
    assert findings_in(tmp_path / "s").saved == [(0, 3)]
    write_run(tmp_path / "s" / "b", start=2, gain=0.2, seed=1, lr=0.02)
    assert findings_in(tmp_path / "s").saved == []


def test_an_average_below_the_last_checkpoint_saves_nothing(tmp_path):
    write_run(tmp_path / "s" / "a", start=2, gain=-0.3, running=True)
    assert findings_in(tmp_path / "s").saved == [(0, None)]
