"""The answer in words where there is little to say, and on input that fits badly."""

import shutil

import pytest

from analysis.__main__ import main
from analysis.compare.estimators import budgets
from analysis.compare.fair import answer_of
from analysis.compare.groups import comparison_groups
from analysis.read.load import load
from analysis.report import answers
from tests.analysis.synthetic_runs import (
    GAINS,
    agree_with_predictions,
    write_run,
    write_sweep,
    write_unfinished,
)

COSINE = {"_target_": "polyak.training.schedules.Cosine"}


def answer_in(folder, **options):
    (groups,) = budgets(comparison_groups(load([folder])))
    return answer_of(groups, **options)


def test_recipes_of_different_seeds_are_never_paired(tmp_path):
    """Three seeds of one schedule, five others of another, which is better."""
    write_sweep(tmp_path / "a", lrs=[0.02], starts=[2], gain=0.01)
    for seed in range(3, 8):
        recipe = {"schedule": COSINE, "lr": 0.02, "fingerprint": f"cosine-{seed}"}
        write_run(tmp_path / "b" / str(seed), seed=seed, gain=0.1, **recipe)
    answer = answer_in(tmp_path)
    for side in (answer.averaged, answer.unaveraged):
        assert side.rows["seed"].tolist() == [0, 1, 2]
        assert side.first["recipe"] == "schedule=Constant"
    assert answer.left_out == 1
    assert "over the same recipes (1 more recipe lack a seed" in answers.sentences(answer)[0]


def test_budgets_that_differ_have_an_answer_each(tmp_path, capsys):
    """At twice the epochs both sides are better: nothing of the one is beside the other."""
    write_sweep(tmp_path / "a", lrs=[0.02], starts=[2], gain=GAINS.__getitem__)
    options = {"lrs": [0.02], "starts": [2], "training__epochs": 12}
    write_sweep(tmp_path / "b", **options, gain=GAINS.__getitem__)
    assert main(["table", str(tmp_path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("THE ANSWER for") == 2
    for epochs in (6, 12):
        said = printed.split(f"SmallCNN, {epochs} epochs", 1)[1].split("THE ANSWER")[0]
        assert "from 1 average (1 look" in said
        assert f"epochs 2..{epochs - 1} (uniform)" in said


@pytest.mark.parametrize("margin", [-0.002, 0.0, 1.5])
def test_a_margin_outside_the_range_of_the_scores_is_refused(tmp_path, margin):
    write_sweep(tmp_path, lrs=[0.02], starts=[2], gain=GAINS.__getitem__)
    with pytest.raises(ValueError, match=r"a margin is in \(0, 1\]"):
        answer_in(tmp_path, margin=margin)


def test_predictions_that_some_run_lacks_leave_the_interval_over_seeds(tmp_path):
    options = {"lrs": [0.05], "starts": [2], "predictions": True}
    write_sweep(tmp_path, **options, gain=GAINS.__getitem__)
    runs = sorted(tmp_path.iterdir())
    for run in runs:
        agree_with_predictions(run)
    assert answer_in(tmp_path).two_way is not None
    shutil.rmtree(runs[1] / "predictions")
    answer = answer_in(tmp_path)
    assert answer.two_way is None
    assert str(runs[1] / "predictions") in answer.without_two_way
    assert answer.conclusion.interval.low is not None
    assert f"no interval over seeds and images ({runs[1]}" in answers.sentences(answer)[1]


def tied(folder, seeds):
    """Every candidate of both sides has the same score, for every seed."""
    for seed in range(seeds):
        for start in (1, 3):
            same = {
                split: {"loss": 0.5, "accuracy": 0.75, "calibration_error": 0.1}
                for split in ("validation", "test")
            }
            results = dict.fromkeys(("window_mean", "ensemble", "average"), same)
            for what in ("last", "best_by_validation", "best_by_test_oracle"):
                results[what] = {**same, "epoch": 5}
            write_run(
                folder / f"{start} {seed}",
                **{"start": start, "seed": seed, "summary": {"results": results}},
            )


def test_ties_everywhere_are_selected_by_name_and_decide_nothing(tmp_path):
    tied(tmp_path / "a", 6)
    shutil.copytree(tmp_path / "a", tmp_path / "reversed")
    for number, run in enumerate(sorted((tmp_path / "reversed").iterdir(), reverse=True)):
        run.rename(run.with_name(f"{number:02d}"))
    one, other = answer_in(tmp_path / "a"), answer_in(tmp_path / "reversed")
    assert (
        one.averaged.name
        == other.averaged.name
        == ("of epochs 1..5 (uniform) at learning rate 0.05")
    )
    assert one.unaveraged.name == other.unaveraged.name
    assert answers.headline(one) == (
        "Undecided: +0.00 points for averaging, against the best without it (n = 6 seeds)"
    )
    assert answers.sentences(one)[1] == "There is no test: identical values."
    assert (one.sign_flip, one.two_way) == (1.0, None)


def nothing_averaged(folder, _):
    write_sweep(folder, starts=[5], lrs=[0.05])


def without_validation(folder, seeds):
    write_sweep(folder, seeds=range(seeds), validation=False)


def one_rate(folder, seeds):
    write_sweep(folder, lrs=[0.05], starts=[2], seeds=range(seeds), gain=GAINS.__getitem__)


def growing(folder, seeds):
    options = {"gain": lambda seed: 0.1 + 0.01 * seed, "running": True, "predictions": True}
    write_sweep(folder, seeds=range(seeds), **options)


def diverged(folder, seeds):
    growing(folder, seeds)
    shutil.rmtree(folder / "averaging.start=2,optimizer.lr=0.05,seed=1")
    write_unfinished(folder / "diverged", seed=1, lr=0.05, start=2, reason="diverged")


@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize("sweep", [tied, nothing_averaged, without_validation, one_rate, growing])
def test_nothing_is_said_in_numbers_that_are_none(tmp_path, capsys, sweep, seeds):
    sweep(tmp_path / "s", seeds)
    assert main(["table", str(tmp_path / "s")]) == 0
    said = capsys.readouterr().out.lower()
    words = said.replace("/", " ").replace("(", " ").split()
    assert not {"nan", "nan,", "none", "none,", "inf", "[nan,", "<na>"} & set(words)
    assert "the answer for" in said


def test_a_diverged_run_costs_its_candidate_and_is_said(tmp_path, capsys):
    diverged(tmp_path / "s", 3)
    assert main(["table", str(tmp_path / "s")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "failed: diverged" in printed
    assert "(n = 3 seeds)" in printed
    assert "nan" not in printed.split()
