"""What a run's models score: by metrics of logits, and by the run's own."""

import json

import pytest
from pydantic import ValidationError

from polyak.records import metrics, reading
from polyak.records.comparison import Comparison, SplitScores
from polyak.records.summary import Summary
from tests.runs.records import SUMMARY

OF_LOGITS = {"loss": 1.0, "accuracy": 0.5, "calibration_error": 0.1}
F1 = {"name": "f1", "higher": True}


def of(scores, **more):
    return Comparison.model_validate(
        {"results": {"average": {"test": scores}, "ensemble": None}, "gains": {}, **more}
    )


def test_a_summary_without_a_metric_of_its_own_is_written_as_it_was():
    dumped = Summary.model_validate(SUMMARY).model_dump(mode="json")
    assert not {"metric", "directions"} & set(dumped)
    result = of(OF_LOGITS).model_dump(mode="json")
    assert json.dumps(result) == json.dumps(
        {"results": {"average": {"test": OF_LOGITS}, "ensemble": None}, "gains": {}}
    )


def test_a_metric_of_its_own_is_read_back():
    found = of({"others": {"f1": 0.8}}, metric=F1)
    assert Comparison.model_validate(found.model_dump(mode="json")) == found
    assert found.primary == "f1"
    assert found.metrics["f1"] is True
    result = found.results["average"]
    assert result is not None
    assert result.test.by_name == {"f1": 0.8}
    assert result.test.model_dump() == {"others": {"f1": 0.8}}


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({}, "no score: allowed: at least one"),
        ({"others": {}}, "no score"),
        ({"others": {"accuracy": 0.5}}, "accuracy is among the others"),
        ({"others": {"F1": 0.5}}, "others.F1"),
        ({"others": {"f1": float("nan")}}, "finite"),
        ({"others": {"f1": "0.5"}}, "valid number"),
        ({"others": {f"m{number}": 1.0 for number in range(51)}}, "at most 50"),
        ({"accuracy": 1.5}, "less than or equal to 1"),
    ],
)
def test_scores_that_are_none_are_refused(scores, said):
    with pytest.raises(ValidationError) as raised:
        SplitScores.model_validate(scores)
    assert said in reading.explain(raised.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "directions has no f1: allowed: all of the others"),
        ({"metric": {"name": "loss", "higher": True}}, "loss, higher = True: allowed: False"),
        ({"metric": F1, "directions": {"f1": False}}, "directions.f1 = False"),
        ({"directions": {"accuracy": False}}, "accuracy, higher = False: allowed: True"),
        ({"directions": {"f1": True}, "gains": {"over_last": {"test": 1.5}}}, "from -1 to 1"),
        ({"metric": F1, "gains": {"over_last": {"test": float("inf")}}}, "finite"),
    ],
)
def test_directions_and_gains_that_contradict_are_refused(more, said):
    with pytest.raises(ValidationError) as raised:
        of({"others": {"f1": 0.5}}, **more)
    assert said in reading.explain(raised.value)


def test_gains_of_other_metrics_have_no_bound():
    gains = {"over_last": {"test": 12.5}}
    assert of({"others": {"perplexity": 9.0}}, metric={"name": "perplexity", "higher": False},
              gains=gains).gains == gains  # fmt: skip


def test_columns_of_other_metrics_are_read_as_far_as_they_are_numbers(tmp_path):
    header = [*metrics.COLUMNS, "val_f1", "average_test_f1", "val_Note", "seen"]
    rows = [["0.5", "", "a", "b"], ["much", "0.25", "c", "d"], ["inf", "0.75", "", ""]]
    lines = [header] + [
        [str(epoch), *[""] * (len(metrics.COLUMNS) - 1), *row] for epoch, row in enumerate(rows)
    ]
    (tmp_path / "metrics.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    found = metrics.read(tmp_path / "metrics.csv")
    assert (len(found), found.problem) == (3, "")
    assert list(found.others) == ["val_f1", "average_test_f1"]
    assert found.others["val_f1"][0] == 0.5
    assert [value != value for value in found.others["val_f1"]] == [False, True, True]
    assert found.others["average_test_f1"][1:] == [0.25, 0.75]
