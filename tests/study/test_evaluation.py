"""Somebody's own function: what it may give, and what it may not do."""

import functools
import json
import logging
import random
import sys

import numpy as np
import pytest
import torch

import polyak
from polyak.errors import EvaluationError
from polyak.records import evaluations, summed
from polyak.records.evaluations import Scored
from polyak.store.manifest import Manifest
from polyak.study.answers import answers
from polyak.study.evaluation import Evaluation
from polyak.study.identity import name_of, source_digest
from tests.study.test_study import EPOCHS, evaluate, metrics, record

LOGITS, LABELS = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])
STATE = {"weight": torch.ones(2), "tied": torch.ones(2)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "returned None; allowed"),
        ({}, "returned {}; allowed"),
        ({"train": (LOGITS, LABELS)}, r"returned a split 'train'; allowed: \('validation', 'test'"),
        ({"test": 0.5}, r"returned 0\.5 for test; allowed: \(logits, labels\)"),
        ({"test": {"top 1": 0.5}}, "returned metric 'top 1' of test: allowed: lower-case"),
        ({"test": {}}, "returned no metric of test"),
        ({"test": {"accuracy": float("nan")}}, "accuracy = nan for test; allowed: from 0 to 1"),
        ({"test": {"accuracy": 81.0}}, r"accuracy = 81\.0 for test; allowed: from 0 to 1"),
        ({"test": {"loss": -1.0}}, "allowed: from 0 to inf"),
        ({"test": {"accuracy": "high"}}, "accuracy of test = 'high': allowed: a number"),
        ({"test": (LOGITS * torch.nan, LABELS)}, "logits for test that are NaN or infinite"),
        ({"test": (LOGITS.long(), LABELS)}, r"logits torch\.int64 \[2, 2\] for test"),
        ({"test": (LOGITS[0], LABELS)}, r"logits torch\.float32 \[2\] for test"),
        ({"test": (LOGITS, LABELS[:1])}, r"labels torch\.int64 \[1\] for test; .* integers \[2\]"),
        ({"test": (LOGITS, LABELS.float())}, r"labels torch\.float32"),
        ({"test": (LOGITS, LABELS + 2)}, "labels from 2 to 2 for test; allowed: from 0 to 1"),
        ({"test": ("words", LABELS)}, "logits 'words' for test; allowed: a tensor or an array"),
        (
            {"test": (LOGITS, LABELS), "validation": {"accuracy": 0.5}},
            "logits of one split and metrics of another",
        ),
    ],
)
def test_what_a_function_may_not_give(given, said):
    with pytest.raises(EvaluationError, match=said):
        answers(given)
    with pytest.raises(EvaluationError, match=r"^<lambda> returned"):
        Evaluation(lambda state: given).logits(STATE)


def test_arrays_and_tensors_of_any_precision_give_the_same():
    plain = answers({"test": (LOGITS, LABELS)})
    for given in (
        (LOGITS.numpy().astype(np.float64), LABELS.numpy().astype(np.uint8)),
        [LOGITS.requires_grad_().half(), LABELS.int()],
    ):
        found = answers({"test": given})
        assert torch.equal(found["test"], plain["test"])
        assert found.scores == plain.scores
        assert found.form == plain.form


def test_what_it_raises_is_named_and_its_cause_is_there():
    def broken(state):
        raise KeyError("layer")

    with pytest.raises(EvaluationError, match="broken raised KeyError: 'layer'") as caught:
        Evaluation(broken).logits(STATE)
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_it_raises_when_it_is_called_again_is_named_too():
    calls = []

    def broken(state):
        torch.rand(1)
        calls.append(state)
        if len(calls) == 2:
            raise KeyError("layer")
        return {"test": (LOGITS, LABELS)}

    with pytest.raises(EvaluationError, match="broken raised KeyError: 'layer'"):
        Evaluation(broken).logits(STATE)


def test_one_that_exits_has_not_evaluated():
    with pytest.raises(EvaluationError, match="raised SystemExit: 0"):
        Evaluation(lambda state: sys.exit(0)).logits(STATE)


def test_sparse_logits_are_refused():
    with pytest.raises(EvaluationError, match="returned logits"):
        answers({"test": (LOGITS.detach().to_sparse(), LABELS)})


def test_weights_that_it_changes_are_a_copy_and_refused():
    def changes(state):
        state["weight"].mul_(2)
        return {"test": (LOGITS, LABELS)}

    state = {"weight": torch.ones(2)}
    state["tied"] = state["weight"]
    with pytest.raises(EvaluationError, match="changes the weights that it is given"):
        Evaluation(changes).logits(state)
    assert torch.equal(state["weight"], torch.ones(2))


@pytest.mark.parametrize("draw", [lambda: torch.rand(1), np.random.rand, random.random])
@pytest.mark.parametrize("matters", [True, False])
def test_random_numbers_that_it_draws_are_given_back_and_said_where_they_matter(
    draw, matters, caplog
):
    def draws(state):
        return {"test": (LOGITS * (1 + float(draw()) * matters), LABELS)}

    evaluation = Evaluation(draws)
    before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())
    with caplog.at_level(logging.WARNING):
        evaluation.logits(STATE)
        evaluation.logits(STATE)
    assert caplog.text.count("draws random numbers, and gives another loss of test") == matters
    after = (torch.get_rng_state(), np.random.get_state()[1], random.getstate())
    assert torch.equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])
    assert before[2] == after[2]


def test_it_gives_the_same_kind_of_answer_for_all_weights():
    given = [
        {"test": (LOGITS, LABELS)},
        {"test": (LOGITS, LABELS.flip(0) + torch.tensor([1, 0]))},
        {"test": (LOGITS[:, :1], LABELS)},
        {"test": {"accuracy": 0.5}},
        {"test": (LOGITS, LABELS), "validation": (LOGITS, LABELS)},
    ]
    evaluation = Evaluation(lambda state: given[int(state["which"])])
    evaluation.logits({"which": torch.tensor(0)})
    for which in range(1, len(given)):
        with pytest.raises(EvaluationError, match=r"returned .*, and before test: logits \[2, 2\]"):
            evaluation.logits({"which": torch.tensor(which)})


def one(state):
    """Its words don't count."""
    return state  # nor this


def two(state):
    return state, 1


def test_a_function_is_named_by_its_name_and_code():
    first = source_digest(one)
    assert source_digest(functools.partial(one)) == first
    assert source_digest(two) != first
    assert name_of(functools.partial(one)) == "one"
    assert name_of(evaluate) == "evaluate"

    class Callable:
        def __call__(self, state):
            return state

    assert name_of(Callable()) == "Callable"
    assert len(source_digest(Callable())) == 16
    assert source_digest(eval("lambda state: state")) != source_digest(eval("len"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluated")


@pytest.mark.parametrize("function", [evaluate, metrics])
def test_checkpoints_are_evaluated_once_and_kept(recorded, function):
    directory, calls = record(recorded / function.__name__), []

    @functools.wraps(function)
    def counted(state):
        calls.append(1)
        return function(state)

    for _ in range(2):
        study = polyak.open(directory, counted)
        study.average(scheme="greedy")
    evaluated_again = 1 + 1 + EPOCHS  # on opening, the average, and what greedy tries
    assert len(calls) == (EPOCHS + EPOCHS + 1) + evaluated_again
    manifest = Manifest.open(directory)
    kept = [name for name in manifest.values["files"] if name.startswith("evaluations/")]
    assert len(kept) == (2 * EPOCHS if function is evaluate else 0)
    assert all(manifest.intact(directory / name) for name in kept)
    if function is metrics:
        (path,) = directory.rglob(evaluations.SCORES)
        found, size = summed.read(path, Scored)
        assert [one.epoch for one in found] == list(range(EPOCHS))
        assert size == path.stat().st_size


def test_other_scores_than_before_are_refused(recorded):
    directory, offset = record(recorded / "other"), [0.0]

    def told(state):
        found = metrics(state)["test"]
        return {"test": {"accuracy": found["accuracy"] + offset[0], "loss": found["loss"]}}

    polyak.open(directory, told)
    polyak.open(directory, told)
    offset[0] = 0.01
    said = r"told gives other scores than before for epoch 0: test accuracy 0\.\d+ -> 0\.\d+; all"
    with pytest.raises(EvaluationError, match=said):
        polyak.open(directory, told)


def test_other_labels_than_before_and_tables_of_another_function_are_refused(recorded):
    directory, part = record(recorded / "labels"), [slice(0, 20)]

    def chosen(state):
        logits, labels = evaluate(state)["test"]
        return {"test": (logits[part[0]], labels[part[0]])}

    polyak.open(directory, chosen).windows(starts=[3])
    part[0] = slice(10, 30)
    with pytest.raises(EvaluationError, match="chosen evaluates on other test labels"):
        polyak.open(directory, chosen)
    study = polyak.open(directory, evaluate)
    with pytest.raises(EvaluationError, match=r"windows\.csv: was evaluated by chosen, accuracy"):
        study.windows(starts=[3])
    (directory / "windows.csv").unlink()
    assert len(study.windows(starts=[3])) == 2


def test_an_average_that_it_fails_on_is_named(recorded):
    directory = record(recorded / "failing")
    calls = []

    def fails(state):
        calls.append(1)
        if len(calls) > 2:
            raise ValueError("no room")
        return evaluate(state)

    study = polyak.open(directory, fails)
    said = r"the average of epochs 0\.\.1: fails raised ValueError: no room"
    with pytest.raises(EvaluationError, match=said) as caught:
        study.windows(starts=[0])
    assert isinstance(caught.value.__cause__, ValueError)
    assert len((directory / "windows.csv").read_text().splitlines()) == 1 + 2
    with pytest.raises(EvaluationError, match=r"the average of epochs 1\.\.3: fails raised"):
        study.average(start=1)


def of_all(directory):
    """How often an evaluation of all checkpoints calls the function, beside the two for opening the
    recording and for the average; and the scores.jsonl."""
    calls = []

    @functools.wraps(metrics)
    def counted(state):
        calls.append(1)
        return metrics(state)

    polyak.open(directory, counted).average(start=EPOCHS - 1, scheme="greedy")
    (path,) = directory.rglob(evaluations.SCORES)
    return len(calls) - 3, path


def test_lines_of_scores_that_are_cut_or_changed_are_made_anew_and_no_others(recorded):
    directory = record(recorded / "damaged")
    again, path = of_all(directory)
    assert again == EPOCHS - 1
    before = path.read_text()
    assert of_all(directory)[0] == 0
    first, *middle, last = before.splitlines(keepends=True)
    path.write_text("".join([first.replace("accuracy", "accurate"), *middle, last[:-9]]))
    assert of_all(directory)[0] == 1  # and the first one, which opening evaluates anyway
    assert path.read_text() == "".join(
        [first.replace("accuracy", "accurate"), *middle, first, last]
    )


def test_scores_grow_by_a_line_per_epoch_and_nothing_else_is_written(recorded):
    directory = record(recorded / "grows")
    study = polyak.open(directory, metrics)
    (path,) = directory.rglob(evaluations.SCORES)
    rest = {one: one.read_bytes() for one in directory.rglob("*") if one.is_file() and one != path}
    first = path.read_bytes()
    study.last()
    assert path.read_bytes().startswith(first)
    assert path.read_bytes().count(b"\n") == 2
    assert {one: one.read_bytes() for one in rest} == rest


def test_a_scores_json_of_before_is_read_and_added_to(recorded):
    directory = record(recorded / "before")
    path = of_all(directory)[1]
    epochs = [json.loads(line) for line in path.read_text().splitlines()]
    whole = path.with_name(evaluations.WHOLE)
    whole.write_text(json.dumps({"evaluate": "metrics", "epochs": epochs[:-1]}))
    path.unlink()
    manifest = Manifest.open(directory)
    manifest.record(whole)
    manifest.write()
    again, path = of_all(directory)
    assert again == 1
    assert len(path.read_text().splitlines()) == 1
    whole.write_text(whole.read_text().replace("0.", "0.1"))  # no longer as it was recorded
    assert of_all(directory)[0] == EPOCHS - 2
