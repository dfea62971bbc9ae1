"""The answers of several budgets, side by side and in one number."""

import numpy as np
import pytest

from analysis.compare.across import FEWEST, across
from analysis.compare.estimators import budgets, names_of_budgets
from analysis.compare.fair import Answer, answer_of
from analysis.compare.groups import comparison_groups
from analysis.read.load import load
from analysis.report import across as words
from tests.analysis.synthetic_runs import GAINS, write_sweep


def answers_in(folder, **options):
    found = budgets(comparison_groups(load([folder])))
    names = names_of_budgets(found)
    return [
        answer_of(budget, name=name, **options) for budget, name in zip(found, names, strict=True)
    ]


def write_budget(folder, name, *, shift=0.0, seeds=(0, 1, 2), **options):
    write_sweep(
        folder / name,
        **{"lrs": [0.02], "starts": [2], "seeds": seeds, "dataset": name, "test_key": name},
        gain=lambda seed: shift + GAINS[seed],
        **options,
    )


@pytest.fixture
def four(tmp_path):
    for place, name in enumerate("abcd"):
        write_budget(tmp_path, name, shift=0.05 * place)
    return tmp_path


def test_one_budget_is_not_several(tmp_path):
    write_budget(tmp_path, "a")
    assert across(answers_in(tmp_path)) is None


def test_each_row_is_the_answer_of_its_budget(four):
    write_budget(four, "e", validation=False)
    answers = answers_in(four)
    found = across(answers)
    rows = found.table.set_index("budget")
    assert sorted(rows.index) == ["a", "b", "c", "d", "e"]
    for answer in answers:
        row = rows.loc[answer.parts[0]]
        if not isinstance(answer, Answer):
            assert row["reason"] == answer.reason
            continue
        interval = answer.conclusion.interval
        assert (row["n"], row["conclusion"]) == (3, answer.conclusion.kind)
        assert [row["difference"], row["low"], row["high"]] == pytest.approx(
            [interval.mean, interval.low, interval.high]
        )
        assert row["averaged"] - row["without"] == pytest.approx(interval.mean)
    assert sum(found.kinds.values()) == 4
    assert list(found.without_answer) == ["e"]


def test_the_summary_is_the_mean_of_the_middle_half_of_all_differences(four):
    found = across(answers_in(four))
    values = np.sort(np.concatenate([one.pairs["difference"] for one in found.budgets]))
    assert len(values) == 12
    assert found.summary.mean == pytest.approx(values[3:9].mean())
    assert found.summary.low < found.summary.mean < found.summary.high
    assert "interquartile mean" in words.headline(found)
    assert "too narrow with as few as 3" in words.sentences(found)[1]


def test_too_few_budgets_have_no_summary_and_the_words_say_so(tmp_path):
    for name in "abcd"[: FEWEST - 1]:
        write_budget(tmp_path, name)
    found = across(answers_in(tmp_path))
    assert found.summary is None
    assert "Fewer than 4 are no summary" in words.headline(found)
    assert "need not hold for others" in words.sentences(found)[1]
    assert "not adjusted" in words.sentences(found)[0]


def test_a_budget_of_one_seed_leaves_the_summary_without_an_interval(four):
    write_budget(four, "e", seeds=(0,))
    found = across(answers_in(four))
    assert (found.summary.groups, found.summary.low) == (5, None)
    assert "it has no interval" in words.sentences(found)[1]
    assert set(words.table(found)["n"]) == {"3", "1"}


def test_without_any_answer_there_are_reasons_alone(tmp_path):
    for name in "ab":
        write_budget(tmp_path, name, validation=False)
    found = across(answers_in(tmp_path))
    assert words.headline(found) == "None of 2 budgets has an answer"
    assert words.sentences(found) == []
    assert words.table(found)["conclusion"].str.startswith("no answer: it needs").all()
    assert words.plain(found)["budgets"][0]["reason"]


def test_budgets_are_named_by_what_differs_and_no_more(tmp_path):
    """Data and epochs by themselves; the model's parameters where nothing else tells."""
    write_budget(tmp_path / "1", "a", model__hidden=8)
    write_budget(tmp_path / "2", "a", model__hidden=16)
    assert sorted(across(answers_in(tmp_path)).names) == ["model.hidden=16", "model.hidden=8"]
    write_budget(tmp_path / "3", "b", training__epochs=7)
    found = across(answers_in(tmp_path))
    assert sorted(found.names) == [
        "a, 6 epochs, model.hidden=16",
        "a, 6 epochs, model.hidden=8",
        "b, 7 epochs",
    ]
    titles = [one.title for one in found.budgets]
    assert "a, 5,000 training images, SmallCNN, 6 epochs, model.hidden=8" in titles


def test_recipes_are_named_within_their_budget(tmp_path):
    """What sets the other budget apart is no part of a recipe's name."""
    cosine = {"schedule": {"_target_": "polyak.training.schedules.Cosine"}}
    for name, options in (("a", {}), ("b", cosine)):
        write_budget(tmp_path / name, "one", **options)
    write_budget(tmp_path, "two", model__hidden=8)
    of_two, of_one = sorted(answers_in(tmp_path), key=lambda one: len(one.groups))
    assert of_two.averaged.name.endswith("at learning rate 0.02")
    assert of_one.averaged.name.endswith(("schedule=Constant", "schedule=Cosine"))
