"""The best average against the best without averaging, each selected on validation."""

import json
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from analysis.compare.estimators import budgets, estimators
from analysis.compare.fair import Answer, NoAnswer, answer_of
from analysis.compare.groups import comparison_groups
from analysis.read.load import load
from analysis.read.predictions import Predictions
from analysis.report import answers
from polyak.evaluation.metric import KNOWN, LOSS
from tests.analysis.synthetic_runs import (
    GAINS,
    agree_with_predictions,
    write_run,
    write_sweep,
    write_unfinished,
)

COSINE = {"_target_": "polyak.training.schedules.Cosine"}


def groups_of(*folders):
    return comparison_groups(load(list(folders)))


def answer_in(*folders, **options):
    (groups,) = budgets(groups_of(*folders))
    return answer_of(groups, **options)


def plainly(folder, metric="accuracy"):
    """From the summaries alone: the selected name of each side, and the differences by seed."""
    sign = 1 if metric == "accuracy" else -1
    sides = (defaultdict(dict), defaultdict(dict))
    for path in sorted(folder.glob("*/summary.json")):
        run = json.loads(path.read_text())
        config, window = run["config"], run["window"]
        recipe = (config["schedule"]["_target_"], config["optimizer"]["lr"])
        names = {"average": (0, (*recipe, window["start"], window["end"], run["scheme"]))}
        names["best_by_validation"] = (1, (*recipe, "best"))
        if window["end"] == config["training"]["epochs"]:
            names["last"] = (1, (*recipe, "last"))
            names["last_refreshed"] = (1, (*recipe, "refreshed"))
        for what, (side, name) in names.items():
            if (result := run["results"].get(what)) is not None:
                scores = [result[split][metric] for split in ("validation", "test")]
                sides[side][name][config["seed"]] = scores
    chosen = []
    for side in sides:
        means = {
            name: round(sign * np.mean([score[0] for score in seeds.values()]), 9)
            for name, seeds in side.items()
        }
        chosen.append(side[max(means, key=means.get)])
    return [sign * (chosen[0][seed][1] - chosen[1][seed][1]) for seed in sorted(chosen[0])]


@pytest.fixture
def sweep(tmp_path):
    """Two rates and two schedules; the average gains most where its checkpoints are worst."""
    for lr, gain in ((0.01, 0.004), (0.09, 0.03)):
        for seed in (0, 1, 2, 3):
            for start in (2, 4):
                for name, schedule in (("constant", {}), ("cosine", {"schedule": COSINE})):
                    write_run(
                        tmp_path / f"{name},{lr},{seed},{start}",
                        **{"lr": lr, "seed": seed, "start": start, "refreshed": 0.001 * seed},
                        gain=gain + 0.003 * seed * (name == "cosine"),
                        fingerprint=f"{name}-{lr}-{seed}",
                        **schedule,
                    )
    return tmp_path


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_both_sides_are_selected_and_paired_as_a_plain_loop_does(sweep, metric):
    answer = answer_in(sweep, metric=KNOWN[metric])
    assert answer.pairs["difference"].tolist() == pytest.approx(plainly(sweep, metric))
    assert answer.conclusion.interval.n == 4
    # 2 recipes x 2 rates x 2 windows; and last, last refreshed and the best of 6 epochs of each
    assert (answer.averaged.candidates, answer.averaged.looks) == (8, 8)
    assert (answer.unaveraged.candidates, answer.unaveraged.looks) == (12, 4 * (1 + 1 + 6))


def test_a_gain_over_its_own_checkpoints_may_be_a_loss(tmp_path):
    """At the large rate the average gains 20 points over them; a small rate needs no average."""
    write_sweep(tmp_path, lrs=[0.001], starts=[2], gain=0.0)
    for seed in (0, 1, 2):
        accuracy = {"loss": 1.0, "calibration_error": 0.1}
        poor = {split: {**accuracy, "accuracy": 0.5} for split in ("validation", "test")}
        better = {
            split: {**accuracy, "accuracy": 0.7 + 0.001 * seed} for split in ("validation", "test")
        }
        results = {"window_mean": poor, "last": {**poor, "epoch": 5}, "ensemble": better}
        results |= {"best_by_validation": {**poor, "epoch": 1}, "average": better}
        results["best_by_test_oracle"] = results["best_by_validation"]
        write_run(tmp_path / f"large{seed}", lr=0.5, seed=seed, summary={"results": results})
    answer = answer_in(tmp_path)
    rates = [side.first["learning_rate"] for side in (answer.averaged, answer.unaveraged)]
    assert rates == [0.001, 0.001]
    assert answer.conclusion.kind in ("worse", "undecided")
    assert "for averaging, against the best without it" in answers.headline(answer)


def test_groups_of_one_budget_are_compared_and_other_budgets_are_not(sweep, tmp_path_factory):
    other = tmp_path_factory.mktemp("longer")
    write_sweep(other, lrs=[0.05], starts=[2], training__epochs=8)
    found = budgets(groups_of(sweep, other))
    assert sorted(len(groups) for groups in found) == [1, 2]
    recipes = estimators(max(found, key=len))["recipe"]
    assert set(recipes) == {"schedule=Constant, training.epochs=6", "schedule=Cosine"} or (
        recipes.nunique() == 2
    )


def test_the_last_checkpoint_is_that_of_the_whole_training(tmp_path):
    write_run(tmp_path / "short", start=0, end=3)
    (groups,) = budgets(groups_of(tmp_path))
    found = estimators(groups).set_index("estimator")
    assert "last" not in found.index
    write_run(tmp_path / "whole", start=2)
    (groups,) = budgets(groups_of(tmp_path))
    found = estimators(groups).set_index("estimator")
    assert found.loc["last", "epoch"] == 5
    assert (found.index == "best_by_validation").sum() == 1


def test_a_recipe_that_lacks_a_seed_that_most_have_is_not_selected(tmp_path):
    write_sweep(tmp_path, lrs=[0.01, 0.02], starts=[2, 4], gain=0.01)
    for seed in (0, 1):
        write_run(tmp_path / f"good{seed}", lr=0.04, seed=seed, start=2, gain=0.1)
    answer = answer_in(tmp_path)
    assert answer.averaged.first["learning_rate"] in (0.01, 0.02)
    assert (answer.conclusion.interval.n, answer.left_out) == (3, 1)


def test_without_validation_or_without_an_average_there_is_no_answer(tmp_path):
    write_sweep(tmp_path / "a", starts=[2], validation=False)
    found = answer_in(tmp_path / "a")
    assert isinstance(found, NoAnswer)
    assert "needs a validation split" in answers.headline(found)
    write_sweep(tmp_path / "b", starts=[5], lrs=[0.05])
    assert answers.headline(answer_in(tmp_path / "b")) == "No answer: nothing was averaged"
    assert answers.plain(answer_in(tmp_path / "b"))["conclusion"] is None


def test_seeds_and_images_together(tmp_path):
    """The mean over both is that of the predictions, image by image."""
    options = {"lrs": [0.05], "starts": [2], "predictions": True}
    write_sweep(tmp_path, **options, gain=GAINS.__getitem__)
    for run in tmp_path.iterdir():
        agree_with_predictions(run)
    answer = answer_in(tmp_path)
    rows = []
    for seed in (0, 1, 2):
        found = Predictions(tmp_path / f"averaging.start=2,optimizer.lr=0.05,seed={seed}", "test")
        epoch = int(answer.unaveraged.rows.set_index("seed").loc[seed, "epoch"])
        right = [found.correct(found.log_probabilities(what)) for what in ("average", epoch)]
        rows.append(right[0].astype(float) - right[1])
    assert answer.two_way.mean == pytest.approx(np.mean(rows))
    assert answer.two_way.low < answer.two_way.mean < answer.two_way.high
    assert "over seeds and images together [" in answers.sentences(answer)[1]


def test_predictions_that_give_another_score_are_not_used(tmp_path):
    write_sweep(tmp_path, lrs=[0.05], starts=[2], predictions=True)
    answer = answer_in(tmp_path)
    assert answer.two_way is None
    assert "don't give its test accuracy" in answer.without_two_way


def test_a_recipe_that_failed_for_a_seed_costs_no_seed_and_is_not_selected(tmp_path):
    write_sweep(tmp_path, lrs=[0.02], starts=[2], gain=0.01)
    for seed in (0, 1):
        write_run(tmp_path / f"lr=0.05,{seed}", lr=0.05, seed=seed, start=2, gain=0.1)
    write_unfinished(tmp_path / "lr=0.05,2", lr=0.05, seed=2, reason="diverged")
    answer = answer_in(tmp_path)
    assert answer.conclusion.interval.n == 3
    assert answer.averaged.first["learning_rate"] == 0.02
    assert answer.left_out == 1
    assert "1 more recipe lack" in answers.sentences(answer)[0]


def test_a_recipe_without_an_average_is_on_neither_side(tmp_path):
    write_sweep(tmp_path, lrs=[0.02], starts=[2], gain=0.01)
    write_sweep(tmp_path / "b", lrs=[0.001], starts=[5], gain=0.0)  # a window of one checkpoint
    answer = answer_in(tmp_path)
    assert answer.unaveraged.first["learning_rate"] == 0.02
    assert answer.left_out == 1


def test_the_answer_does_not_depend_on_the_order_of_directories(tmp_path):
    """Statistics that were refreshed otherwise are another candidate."""
    for name, scheme, refreshed in (
        ("a", "uniform", 0.01),
        ("b", "uniform, refreshed without augmentation", 0.04),
    ):
        options = {"lrs": [0.02], "starts": [2], "gain": 0.01}
        write_sweep(tmp_path / name, **options, scheme=scheme, refreshed=refreshed)
    one, two = (answer_in(*(tmp_path / name for name in names)) for names in ("ab", "ba"))
    assert one.pairs.equals(two.pairs)
    assert one.unaveraged.name == two.unaveraged.name
    assert "(refreshed without augmentation) at learning rate" in one.unaveraged.name


def test_by_loss_the_best_checkpoint_is_that_of_the_least_loss(tmp_path):
    write_sweep(tmp_path, lrs=[0.02], starts=[2])
    for path in tmp_path.glob("*/metrics.csv"):
        table = pd.read_csv(path)
        table["val_loss"] = [3.0, 1.0, 2.0, 2.0, 2.0, 2.0]
        table["val_accuracy"], table["test_loss"] = 0.5, [9.0, 0.25, 9.0, 9.0, 9.0, 9.0]
        table.to_csv(path, index=False)
    (groups,) = budgets(groups_of(tmp_path))
    found = estimators(groups, LOSS).set_index("estimator").loc["best_by_validation"]
    assert (found["epoch"] == 1).all()
    assert (found["test_loss"] == 0.25).all()


def test_missing_predictions_are_the_reason_for_no_two_way_interval(tmp_path):
    write_sweep(tmp_path, lrs=[0.05], starts=[2])
    answer = answer_in(tmp_path)
    assert answer.two_way is None
    assert "no interval over seeds and images (" in answers.sentences(answer)[1]


@pytest.mark.parametrize(
    ("gains", "margin", "begins"),
    [
        ({0: 0.11, 1: 0.112, 2: 0.111}, 0.002, "Better: +"),
        ({0: -0.1, 1: -0.099, 2: -0.098}, 0.002, "Worse: -"),
        ({0: 0.11, 1: 0.112, 2: 0.111}, 0.5, "Better, though within 50.00 points: +"),
        ({0: 0.2, 1: -0.2, 2: 0.1}, 0.002, "Undecided: "),
    ],
)
def test_what_can_be_concluded(tmp_path, gains, margin, begins):
    write_sweep(tmp_path, lrs=[1e-9], starts=[4], gain=gains.__getitem__)
    assert answers.headline(answer_in(tmp_path, margin=margin)).startswith(begins)


def test_equivalence_is_said_with_its_margin(tmp_path):
    options = {"lrs": [1e-9], "starts": [5 - 1]}
    best = 0.8 - 0.4 * 0.5**5
    mean = 0.8 - 0.4 * (0.5**4 + 0.5**5) / 2
    gains = {0: best - mean - 0.0001, 1: best - mean + 0.0001, 2: best - mean}
    write_sweep(tmp_path, **options, gain=gains.__getitem__)
    answer = answer_in(tmp_path)
    assert isinstance(answer, Answer)
    assert answers.headline(answer).startswith("Equivalent within 0.20 points: ")


def test_two_seeds_and_one(tmp_path):
    write_sweep(tmp_path / "two", lrs=[0.05], starts=[2], seeds=[0, 1], gain=GAINS.__getitem__)
    assert answer_in(tmp_path / "two").smallest_p == 0.5
    write_sweep(tmp_path / "one", lrs=[0.05], starts=[2], seeds=[0])
    answer = answer_in(tmp_path / "one")
    assert answers.headline(answer).startswith("Undecided: ")
    assert answers.sentences(answer)[1] == "There is no test: one value."


def test_windows_without_a_seed_in_common_are_compared_by_what_one_of_them_has(tmp_path):
    """As in a sweep that has just begun."""
    write_run(tmp_path / "a", start=2, seed=0)
    write_run(tmp_path / "b", start=4, seed=1)
    answer = answer_in(tmp_path)
    assert (answer.conclusion.interval.n, len(answer.pairs)) == (1, 1)
