"""When and how an answer should be confirmed on new seeds."""

import shlex

import numpy as np
import pytest

from analysis.compare.estimators import budgets
from analysis.compare.fair import answer_of
from analysis.compare.groups import comparison_groups
from analysis.read.load import load
from analysis.report.confirmation import confirmation
from polyak.config.again import expand
from tests.analysis.synthetic_runs import write_run, write_sweep


def answer_in(folder):
    (groups,) = budgets(comparison_groups(load([folder])))
    return answer_of(groups)


def spread(seed):
    return 0.1 + 0.01 * float(np.random.default_rng(seed).normal())


def commands(said):
    return [shlex.split(one) for one in said.partition("): ")[2].split("; ")]


def test_a_difference_that_was_selected_is_to_be_confirmed_on_new_seeds(tmp_path):
    write_sweep(tmp_path / "a b", lrs=[0.02], starts=[2, 4], seeds=[0, 3], gain=spread)
    (said,) = confirmation(answer_in(tmp_path))
    assert "2 seeds can't tell" in said
    (command,) = commands(said)
    assert command[:3] == ["python", "src/train.py", "--again"]
    again = expand(command[2:])
    assert again[0] == "--multirun"
    assert [one for one in again if one.startswith("seed=")] == ["seed=4,5"]
    assert [one for one in again if one.startswith("name=")] == ["name=confirm"]


def test_two_recipes_are_trained_under_two_names(tmp_path):
    write_sweep(tmp_path, lrs=[0.001], starts=[2], gain=spread)
    write_sweep(tmp_path / "b", lrs=[0.1], starts=[2], gain=-0.3)
    said = confirmation(answer_in(tmp_path))
    names = [command[-2] for command in commands(said[0])]
    assert names == ["name=confirm_averaged", "name=confirm_without"]


@pytest.mark.parametrize("correlated", [True, False])
def test_seeds_that_affect_both_alike_need_no_confirmation(tmp_path, correlated):
    for seed in range(8):
        for start in (2, 4):
            value = 0.6 + 0.02 * seed
            scores = {"loss": 1.0, "calibration_error": 0.1, "accuracy": value}
            other = value + 0.1 if correlated else 0.8 + 0.02 * (seed * 5 % 8)
            both = {split: scores for split in ("validation", "test")}
            better = {split: {**scores, "accuracy": other} for split in ("validation", "test")}
            better["test"]["accuracy"] += 0.001 * (seed % 2)
            results = dict.fromkeys(("window_mean", "ensemble"), both)
            for what in ("last", "best_by_validation", "best_by_test_oracle"):
                results[what] = {**both, "epoch": 5}
            results["average"] = better
            run = {"seed": seed, "start": start, "summary": {"results": results}}
            write_run(tmp_path / f"{seed},{start}", **run)
    answer = answer_in(tmp_path)
    assert answer.conclusion.kind == "better"
    said = confirmation(answer)
    assert bool(said) != correlated
    assert correlated or "r = " in said[0]


def test_nothing_is_to_be_confirmed_where_nothing_is_claimed_or_selected(tmp_path):
    write_sweep(tmp_path / "undecided", lrs=[0.02], starts=[2, 4], seeds=[0], gain=spread)
    assert confirmation(answer_in(tmp_path / "undecided")) == []
    write_sweep(tmp_path / "without", lrs=[0.02], starts=[2], validation=False)
    assert confirmation(answer_in(tmp_path / "without")) == []
