import pandas as pd

from polyak.evaluation.logits import Scores
from polyak.runs.records import COLUMNS, Metrics
from polyak.store.trajectory import EpochRecord
from polyak.training.epoch import EpochResult


def scores(accuracy):
    return Scores(loss=1 - accuracy, accuracy=accuracy, calibration_error=0.1)


def record(epoch, test, validation=None):
    both = {} if validation is None else {"validation": scores(validation)}
    return EpochRecord(EpochResult(epoch, 0.05, 2.0, 0.3, 1.5), both | {"test": scores(test)})


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
