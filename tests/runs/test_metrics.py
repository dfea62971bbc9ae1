import pandas as pd

from polyak.records.metrics import COLUMNS
from polyak.runs.metrics import AverageUpTo, add_metrics, write_metrics
from tests.runs.records import VALIDATED, record, scores


def test_metrics_have_a_row_per_epoch_and_the_averages(tmp_path):
    path = tmp_path / "metrics.csv"
    for count, epoch in enumerate(VALIDATED, start=1):
        write_metrics(path, VALIDATED[:count])
        frame = pd.read_csv(path)
        assert tuple(frame.columns) == COLUMNS
        assert list(frame["epoch"]) == list(range(count))
        assert frame["val_accuracy"].iloc[-1] == epoch.scores["validation"].accuracy
    assert frame.filter(like="average").isna().all(axis=None)
    average = AverageUpTo(3, 2, {"test": scores(0.95), "validation": scores(0.75)})
    write_metrics(path, VALIDATED, [average])
    frame = pd.read_csv(path)
    assert frame["average_count"].tolist()[3] == 2
    assert frame["average_test_accuracy"].tolist()[3] == 0.95
    assert frame["average_count"].isna().tolist() == [True, True, True, False]


def test_validation_columns_are_empty_without_validation(tmp_path):
    write_metrics(tmp_path / "metrics.csv", [record(0, 1 / 3)])
    frame = pd.read_csv(tmp_path / "metrics.csv")
    assert frame[["val_loss", "val_accuracy"]].isna().all(axis=None)
    assert frame["test_accuracy"].item() == 1 / 3  # every digit is kept


def test_rows_that_are_added_are_those_that_are_written_at_once(tmp_path):
    added, whole = tmp_path / "added.csv", tmp_path / "metrics.csv"
    write_metrics(added, VALIDATED[:1])
    before = added.stat().st_ino
    for epoch in VALIDATED[1:]:
        add_metrics(added, epoch)
    write_metrics(whole, VALIDATED)
    assert added.read_bytes() == whole.read_bytes()
    assert added.stat().st_ino == before  # not written again
