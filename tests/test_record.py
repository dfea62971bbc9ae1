import pandas as pd
import pytest

from polyak.evaluation import Scores
from polyak.record import COLUMNS, Metrics, compare, table
from polyak.training import EpochResult
from polyak.trajectory import EpochRecord


def scores(accuracy):
    return Scores(loss=1 - accuracy, accuracy=accuracy, calibration_error=0.1)


def record(epoch, test, validation=None):
    both = {} if validation is None else {"validation": scores(validation)}
    return EpochRecord(epoch, 0.05, EpochResult(2.0, 0.3, 1.5), both | {"test": scores(test)})


VALIDATED = [record(0, 0.5, 0.6), record(1, 0.8, 0.7), record(2, 0.9, 0.65), record(3, 0.7, 0.7)]


def test_metrics_are_whole_after_every_epoch(tmp_path):
    metrics = Metrics(tmp_path / "metrics.csv")
    for count, epoch in enumerate(VALIDATED, start=1):
        metrics.add(epoch)
        frame = pd.read_csv(tmp_path / "metrics.csv")
        assert list(frame.columns) == COLUMNS
        assert list(frame["epoch"]) == list(range(count))
        assert frame["val_accuracy"].iloc[-1] == epoch.scores["validation"].accuracy
    assert frame.filter(like="average").isna().all(axis=None)
    metrics.add_average(3, 2, {"test": scores(0.95), "validation": scores(0.75)})
    frame = pd.read_csv(tmp_path / "metrics.csv")
    assert frame["average_count"].tolist()[3] == 2
    assert frame["average_test_accuracy"].tolist()[3] == 0.95
    assert frame["average_count"].isna().tolist() == [True, True, True, False]


def test_validation_columns_are_empty_without_validation(tmp_path):
    metrics = Metrics(tmp_path / "metrics.csv")
    metrics.add(record(0, 1 / 3))
    frame = pd.read_csv(tmp_path / "metrics.csv")
    assert frame[["val_loss", "val_accuracy"]].isna().all(axis=None)
    assert frame["test_accuracy"].item() == 1 / 3  # every digit is kept


def test_the_average_is_compared_with_each():
    average = {"validation": scores(0.72), "test": scores(0.88)}
    result = compare(VALIDATED, range(2, 4), average)
    results, gains = result["results"], result["gains"]
    assert results["window_mean"]["test"]["accuracy"] == pytest.approx(0.8)
    assert results["last"]["epoch"] == 3
    assert results["best_by_validation"]["epoch"] == 1  # the first of equals, over all epochs
    assert results["best_by_test_oracle"]["epoch"] == 2
    assert {name: round(gain["test"], 6) for name, gain in gains.items()} == {
        "over_window_mean": 0.08,
        "over_last": 0.18,
        "over_best_by_validation": 0.08,
        "over_best_by_test_oracle": -0.02,
    }
    assert gains["over_window_mean"]["validation"] == pytest.approx(0.045)


def test_the_last_is_the_windows_last():
    result = compare(VALIDATED, range(0, 2), {"validation": scores(0.7), "test": scores(0.7)})
    assert result["results"]["last"]["epoch"] == 1


def test_nothing_is_selected_without_validation():
    result = compare([record(0, 0.5), record(1, 0.6)], range(2), {"test": scores(0.7)})
    assert result["results"]["best_by_validation"] is None
    assert "over_best_by_validation" not in result["gains"]


def test_the_table_marks_the_oracle_and_signs_the_gains():
    average = {"validation": scores(0.72), "test": scores(0.88)}
    text = table(compare(VALIDATED, range(2, 4), average), "uniform", range(2, 4))
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert lines["best checkpoint by test (oracle), epoch 2"][-2:] == ["90.00", "-2.00"]
    assert lines["mean of the window's checkpoints"][-2:] == ["80.00", "+8.00"]
    assert lines["average of 2..3 (uniform)"][-1] == "88.00"
