import re

import pytest

from polyak.errors import ConfigError
from polyak.store import paths
from polyak.store.recording import Recording, in_epochs, lengths


@pytest.mark.parametrize(
    ("every", "name", "ends"),
    [
        (None, "1_per_epoch", [39]),
        (1.0, "1_per_epoch", [39]),
        (0.5, "2_per_epoch", [20, 39]),
        (0.1, "10_per_epoch", [4, 8, 12, 16, 20, 24, 28, 32, 36, 39]),  # ceil(k 39 / 10)
        (0.3, "every_0.3_epochs", [12, 24, 36, 39]),
        (0.001, "1000_per_epoch", list(range(1, 40))),
        (10, "every_10_steps", [10, 20, 30, 39]),
        (13, "every_13_steps", [13, 26, 39]),
        (1, "every_1_steps", list(range(1, 40))),
        (39, "every_39_steps", [39]),
        (1000, "every_1000_steps", [39]),
    ],
)
def test_intervals_end_at_the_fractions_or_steps_and_at_the_epochs_end(every, name, ends):
    recording = Recording(every=every)
    assert (recording.name, recording.ends(39)) == (name, ends)
    third = recording.intervals(2, 39)
    assert [one.stop - 78 for one in third] == ends
    assert [step for one in third for step in one] == list(range(78, 117))


def test_a_tenth_of_an_epoch_is_a_tenth_in_spite_of_binary_fractions():
    assert Recording(every=0.1).ends(30) == list(range(3, 31, 3))  # 0.1 * 3 * 10 is above 3
    assert Recording(every=0.7).ends(10) == [7, 10]


def test_kept_checkpoints_cover_the_steps_since_the_one_before():
    recording = Recording(every=10, keep=2)
    assert recording.checkpoints(1, 39) == [range(39, 59), range(59, 78)]
    assert Recording(every=10, keep="epochs").checkpoints(1, 39) == [range(39, 78)]
    assert Recording(every=10).checkpoints(1, 39) == Recording(every=10).intervals(1, 39)
    assert not Recording(every=10, keep="epochs").finer
    assert Recording(every=1).finer
    assert not Recording(every=1.0).finer
    assert not Recording(means=True).finer


def test_a_window_has_the_intervals_from_its_start_on():
    recording = Recording(every=0.1)
    assert recording.window(1, 3, 40, means=True) == [
        *recording.intervals(1, 40),
        *recording.intervals(2, 40),
    ]
    assert recording.window(1.5, 2, 40, means=True)[0] == range(60, 64)
    assert recording.window(0.5, 1, 39, means=True)[0] == range(20, 24)  # 19.5, rounded as its end
    # Any boundary can be given in epochs, though that is no short decimal.
    each = Recording(every=10)
    for begin in (10, 20, 30):
        assert each.window(in_epochs(begin, 39), 1, 39, means=True)[0].start == begin


def test_a_start_inside_an_interval_is_refused_with_the_nearest_ones():
    with pytest.raises(ConfigError) as refused:
        Recording(every=10).window(1.4, 3, 39, means=False)
    assert str(refused.value) == (
        "averaging.start = 1.4: inside an interval of recording every 10 steps, at step 54.6 of 39 "
        "per epoch; allowed: 1.25641 or 1.512821, or another recording.every"
    )
    with pytest.raises(ConfigError, match=r"= 0.55: inside .* allowed: 0.5 or 0.6, or another"):
        Recording(every=0.1).window(0.55, 3, 10, means=False)  # of a step, and yet inside
    with pytest.raises(ConfigError, match=r"allowed: 0.75 or 1, or another"):
        Recording(every=0.25, keep=3).window(0.8, 2, 39, means=False)
    with pytest.raises(ConfigError, match=r"allowed: 0 or 0.75"):
        Recording(every=0.25, keep=3).window(0.5, 2, 39, means=False)
    with pytest.raises(ConfigError, match=r"allowed: 1, or another"):
        Recording().window(1.4, 2, 39, means=False)
    with pytest.raises(ConfigError, match=r"= 0.95: inside .* step 9.5 of 10 .* allowed: 0.9 or 1"):
        Recording(every=0.01).window(0.95, 2, 10, means=False)  # within the epoch's last step


def test_names_of_more_digits_are_still_names_of_records():
    assert re.fullmatch(paths.RECORD, f"recordings/a/{paths.record('mean', 1_234_567_890)}")
    ends = [one.stop for one in Recording(every=0.5).window(9_999_999, 10_000_001, 10, means=True)]
    assert ends == [99_999_995, 100_000_000, 100_000_005, 100_000_010]  # by number, not by name
    assert paths.record("step", 123) == "step_00000123.safetensors"
    assert paths.record("mean", 1_234_567_890) == "mean_1234567890.safetensors"


def test_lengths_are_said():
    assert lengths([range(1)]) == "1 step"
    assert lengths([range(4), range(4, 7)]) == "3 or 4 steps"
    assert lengths([range(4), range(4, 7), range(7, 9)]) == "2 to 4 steps"
