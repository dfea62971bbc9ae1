"""A function of somebody's own as an evaluator: what it gives is checked, and what it may not do.

evaluation = Evaluation(evaluate)       # evaluate(state_dict) -> {"test": (logits, labels)}
answers = evaluation.logits(checkpoint.tensors)
evaluation.scores(answers)["test"].accuracy
"""

import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from polyak import files
from polyak.errors import EvaluationError
from polyak.evaluation.scores import Scores
from polyak.study.answers import Answers, answers, digest
from polyak.study.identity import name_of, source_digest
from polyak.study.untouched import copied, random_states
from polyak.weights import checkpoint

log = logging.getLogger(__name__)

CHANCE = 0x9E3779B9
"""Between a seed and another one that nobody has set beside it."""

Function = Callable[[dict[str, Tensor]], Mapping[str, Any]]


class Evaluation:
    """`function`, which takes a state dict on CPU and gives what `answers` takes, for all weights
    of the same splits, and metrics (the primary `metric` among them) or labels.

    It is given a copy, and called without gradients. Where it draws from the global generators,
    these are given back as they were, and whether its scores depend on them is said once. Its
    errors are EvaluationErrors that name it.
    """

    def __init__(self, function: Function, metric: str = "accuracy") -> None:
        if not callable(function):
            raise EvaluationError(
                f"evaluate = {files.shown(function)}; allowed: a function of a state dict"
            )
        self._function, self.name = function, name_of(function)
        self.source, self._metric = source_digest(function), metric
        self._first: Answers | None = None
        self._watched = set[str]()

    @property
    def first(self) -> Answers:
        """What it gave first. Raises EvaluationError before that."""
        if self._first is None:
            raise EvaluationError(f"{self.name} has evaluated nothing yet")
        return self._first

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that it evaluates on."""
        return tuple(self.first.scores)

    @property
    def keys(self) -> dict[str, str]:
        """The evaluation key of each split: a hash of the function's name and source, and of the
        labels; for metrics one key of all splits."""
        found = self.first
        if not found:
            return dict.fromkeys(found.scores, _key([self.source, found.form]))
        return {
            split: _key([self.source, split, digest(labels)])
            for split, labels in found.labels.items()
        }

    def logits(self, state: Mapping[str, Tensor], kind: str = "average") -> Answers:
        """What it gives of these weights; `kind` says of whose. Raises EvaluationError where it
        raises, gives what it is not to, or, the first time of each kind, changes the weights."""
        given, before = copied(state), ""
        if kind not in self._watched:
            before = checkpoint.digest(given)
        with torch.no_grad(), random_states() as drew:
            said = self._called(dict(given))
        if before and checkpoint.digest(given) != before:
            raise EvaluationError(
                f"{self.name} changes the weights that it is given; allowed: to copy them, "
                "as load_state_dict does, and a model in evaluation mode"
            )
        self._watched.add(kind)
        found = self._checked(said)
        if drew() and "draws" not in self._watched:
            self._watched.add("draws")
            self._check_chance(copied(state), found)
        return found

    def _called(self, given: dict[str, Tensor]) -> Any:
        try:
            return self._function(given)
        except (Exception, SystemExit) as error:  # else a command would end as if all were done
            raise EvaluationError(
                f"{self.name} raised {type(error).__name__}: {files.shown(str(error), 300)[1:-1]}"
            ) from error

    def _check_chance(self, given: dict[str, Tensor], found: Answers) -> None:
        """Warn where other random numbers give other scores. (A DataLoader draws a number whether
        it needs it or not.)"""
        with torch.no_grad(), random_states(seed=(torch.initial_seed() + CHANCE) % 2**32):
            again = self._checked(self._called(given))
        for split, scores in found.scores.items():
            for name, one in scores.by_name.items():
                other = again.scores[split].by_name[name]
                if not math.isclose(one, other, rel_tol=1e-6):  # threads have other last bits
                    log.warning(
                        "%s draws random numbers, and gives another %s of %s with others: %.6g, "
                        "then %.6g; is the model in evaluation mode?",
                        *(self.name, name, split, one, other),
                    )
                    return

    def scores(self, found: Mapping[str, Tensor]) -> dict[str, Scores]:
        """Those of what `logits` gave."""
        if not isinstance(found, Answers):
            raise TypeError(f"{type(found).__name__}: allowed: what `logits` gives")
        return found.scores

    def _checked(self, said: Any) -> Answers:
        try:
            found = answers(said)
        except EvaluationError as error:
            raise EvaluationError(f"{self.name} {error}") from error.__cause__
        for split, scores in found.scores.items():
            if self._metric not in scores.by_name:
                raise EvaluationError(
                    f"{self.name} returned no {self._metric} of {split}; allowed: with it, or "
                    "another metric= to compare by"
                )
        if self._first is None:
            self._first = found
        elif found.form != self._first.form:
            raise EvaluationError(
                f"{self.name} returned {_words(found)}, and before {_words(self._first)}; allowed: "
                "the same for all weights, in the same order"
            )
        return found


def _words(found: Answers) -> str:
    return "; ".join(f"{split}: {form}" for split, form in found.form.items())


def _key(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
