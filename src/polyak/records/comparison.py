"""What a run's models score on each split, and the average's gains: part of summary.json.

found = Comparison(results={"average": Result(test=SplitScores(others={"f1": 0.8})), ...},
                   gains={}, metric=Primary(name="f1", higher=True))
found.results["average"].test.by_name       # {"f1": 0.8}
"""

from collections.abc import Collection
from typing import Annotated, Any, Self

from pydantic import Field, model_serializer, model_validator

from polyak.records.part import (
    MOST_OTHERS,
    OF_LOGITS,
    Coordinate,
    Epoch,
    Fraction,
    MetricName,
    NotNegative,
    Part,
    Split,
)


class SplitScores(Part):
    """Loss in nats, accuracy and expected calibration error as fractions, as far as they are known;
    `others`: what else a run is scored by."""

    loss: NotNegative | None = None
    accuracy: Fraction | None = None
    calibration_error: Fraction | None = None
    others: dict[MetricName, Coordinate] = Field(default={}, max_length=MOST_OTHERS)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if named := [name for name in self.others if name in OF_LOGITS]:
            raise ValueError(f"{named[0]} is among the others: allowed: beside them")
        if not self.by_name:
            raise ValueError("no score: allowed: at least one")
        return self

    @model_serializer(mode="wrap")
    def _there(self, handler: Any) -> dict[str, Any]:
        return _without_empty(handler(self), type(self).model_fields)

    @property
    def by_name(self) -> dict[str, float]:
        """All that are there."""
        of_logits = {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "calibration_error": self.calibration_error,
        }
        there = {name: value for name, value in of_logits.items() if value is not None}
        return {**there, **self.others}


class Result(Part):
    """What one model, or a mean over several, scores on each split; `epoch` of one checkpoint."""

    epoch: Epoch | None = None
    validation: SplitScores | None = None
    test: SplitScores

    @property
    def splits(self) -> dict[str, SplitScores]:
        """The scores by split."""
        both = {"validation": self.validation, "test": self.test}
        return {name: scores for name, scores in both.items() if scores is not None}

    @model_serializer(mode="wrap")
    def _there(self, handler: Any) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


ResultName = Annotated[str, Field(pattern="^[a-z_]{1,40}$")]


class Primary(Part):
    """The metric that a run is selected and compared by, and whether more of it is better."""

    name: MetricName
    higher: bool

    @model_validator(mode="after")
    def _as_known(self) -> Self:
        _check_direction(self.name, self.higher)
        return self


class Comparison(Part):
    """The average beside what it can be compared with, and its gains by the primary metric,
    positive where it is better, by split: fractions, where that is the accuracy.

    `results` has average, ensemble (of the window's checkpoints; None without logits), last,
    last_refreshed (of a model with batch norm: with statistics computed anew, as the average's),
    window_mean, best_by_validation (None without validation) and best_by_test_oracle. `metric`: the
    primary one; None is the accuracy, as of every run of train.py. `directions`: of each of the
    results' `others`, whether more is better.
    """

    results: dict[ResultName, Result | None]
    gains: dict[str, dict[Split, Coordinate]]
    metric: Primary | None = None
    directions: dict[MetricName, bool] = Field(default={}, max_length=MOST_OTHERS)

    @property
    def primary(self) -> str:
        """The name of the primary metric."""
        return self.metric.name if self.metric else "accuracy"

    @property
    def metrics(self) -> dict[str, bool]:
        """All that the results may have, and whether more of it is better."""
        own = {self.metric.name: self.metric.higher} if self.metric else {}
        return OF_LOGITS | self.directions | own

    @model_validator(mode="after")
    def _of_known_metrics(self) -> Self:
        for name, higher in self.directions.items():
            _check_direction(name, higher)
            if self.metrics[name] != higher:
                raise ValueError(f"directions.{name} = {higher}: allowed: as in metric")
        scores = [
            scores
            for result in self.results.values()
            if result
            for scores in result.splits.values()
        ]
        if unknown := sorted({name for one in scores for name in one.others} - set(self.metrics)):
            raise ValueError(f"directions has no {unknown[0]}: allowed: all of the others")
        for name, gains in self.gains.items():
            for split, gain in gains.items():
                if self.primary == "accuracy" and abs(gain) > 1:
                    raise ValueError(f"gains.{name}.{split} = {gain}: allowed: from -1 to 1")
        return self

    @model_serializer(mode="wrap")
    def _there(self, handler: Any) -> dict[str, Any]:
        return _without_empty(handler(self), ("metric", "directions"))


def _check_direction(name: str, higher: bool) -> None:
    if OF_LOGITS.get(name, higher) != higher:
        raise ValueError(f"{name}, higher = {higher}: allowed: {OF_LOGITS[name]}")


def _without_empty(values: dict[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """Without those of these keys that have no value."""
    return {key: one for key, one in values.items() if key not in keys or one not in (None, {})}
