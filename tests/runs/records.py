"""Epochs with chosen accuracies and the least that a summary.json holds, for tests."""

from polyak import files
from polyak.evaluation.scores import Scores
from polyak.store.record import EpochRecord
from polyak.training.result import EpochResult


def scores(accuracy):
    return Scores(loss=1 - accuracy, accuracy=accuracy, calibration_error=0.1)


def record(epoch, test, validation=None):
    both = {} if validation is None else {"validation": scores(validation)}
    return EpochRecord(EpochResult(epoch, 0.05, 2.0, 0.3, 1.5), both | {"test": scores(test)})


def write_claim(run):
    """As a run does, before its trajectory has links to it."""
    files.write_json(run / "claim.json", {"process": 1, "host": "here", "began": 1.0})


VALIDATED = [record(0, 0.5, 0.6), record(1, 0.8, 0.7), record(2, 0.9, 0.65), record(3, 0.7, 0.7)]

SUMMARY = {
    "config": {"training": {"epochs": 2}},
    "overrides": [],
    "dataset": {
        **{"name": "data", "origin": "made", "synthetic": True, "substitute_for": None},
        **{"classes": 2, "input_shape": [3, 8, 8], "sizes": {"train": 9, "test": 9}},
    },
    **{"fingerprint": "0" * 16, "training_split": "0", "evaluation_keys": {}},
    **{"window": {"start": 0, "end": 2, "count": 2}, "scheme": "uniform", "weights": [1, 1]},
    **{"results": {}, "gains": {}, "trajectory": "trained", "seconds": {}, "environment": {}},
}
"""Of a run of two epochs."""
