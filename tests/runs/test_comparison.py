import pytest

from polyak.runs.comparison import compare, table
from tests.runs.records import VALIDATED, record, scores


def test_the_average_is_compared_with_each():
    average = {"validation": scores(0.72), "test": scores(0.88)}
    ensemble = {"validation": scores(0.74), "test": scores(0.91)}
    result = compare(VALIDATED, range(2, 4), average, ensemble)
    results, gains = result.results, result.gains
    assert results["window_mean"].test.accuracy == pytest.approx(0.8)
    assert results["last"].epoch == 3
    assert results["best_by_validation"].epoch == 1  # the first of equals, over all epochs
    assert results["best_by_test_oracle"].epoch == 2
    assert {name: round(gain["test"], 6) for name, gain in gains.items()} == {
        "over_window_mean": 0.08,
        "over_last": 0.18,
        "over_best_by_validation": 0.08,
        "over_best_by_test_oracle": -0.02,
        "over_ensemble": -0.03,
    }
    assert gains["over_window_mean"]["validation"] == pytest.approx(0.045)


def test_the_last_is_the_windows_last():
    both = {"validation": scores(0.7), "test": scores(0.7)}
    result = compare(VALIDATED, range(0, 2), both, both)
    assert result.results["last"].epoch == 1


def test_nothing_is_selected_without_validation():
    result = compare([record(0, 0.5), record(1, 0.6)], range(2), *[{"test": scores(0.7)}] * 2)
    assert result.results["best_by_validation"] is None
    assert "over_best_by_validation" not in result.gains


def test_the_table_marks_the_oracle_and_signs_the_gains():
    average = {"validation": scores(0.72), "test": scores(0.88)}
    text = table(compare(VALIDATED, range(2, 4), average, average), range(2, 4), "uniform")
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert lines["best checkpoint by test (oracle), epoch 2"][-2:] == ["90.00", "-2.00"]
    assert lines["mean of the window's checkpoints"][-2:] == ["80.00", "+8.00"]
    ends = {len(line) for line in text.splitlines()[1:] if "average" not in line.split("  ")[0]}
    assert ends == {len(text.splitlines()[0])}
    header, average = text.splitlines()[0], text.splitlines()[-1]
    assert len(average) == header.index("test") + len("test")  # the number is under its header
    assert lines["average of epochs 2..3 (uniform)"][-1] == "88.00"
