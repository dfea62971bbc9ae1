"""Epochs until the average, and the checkpoints, are where one ends without averaging."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.compare.estimators import budgets
from analysis.compare.fair import answer_of
from analysis.compare.groups import comparison_groups
from analysis.read.load import load
from analysis.report import answers
from polyak.evaluation.metric import CALIBRATION_ERROR, LOSS
from tests.analysis.synthetic_runs import EPOCHS, write_run

RISING = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8)
"""Of the checkpoints: the best is the last, and reaches its level after 6 epochs."""


def write(folder, checkpoints, average, *, running=True, seed=0, score="accuracy", **options):
    """A run whose checkpoints and growing average have these validation scores, and in the summary
    too. `average`: from the window's first epoch on."""
    start = EPOCHS - len(average) if "end" not in options else options["end"] - len(average)
    run = write_run(folder / str(seed), seed=seed, start=start, running=running, **options)
    table = pd.read_csv(run / "metrics.csv")
    table[f"val_{score}"] = checkpoints
    if running:
        table.loc[start : start + len(average) - 1, f"average_val_{score}"] = average
    table.to_csv(run / "metrics.csv", index=False)
    summary = json.loads((run / "summary.json").read_text())
    results = summary["results"]
    best = int(np.argmax(checkpoints) if score == "accuracy" else np.argmin(checkpoints))
    for what, value in (("last", checkpoints[-1]), ("average", average[-1])):
        results[what]["validation"][score] = value
    results["best_by_validation"]["validation"][score] = checkpoints[best]
    results["best_by_validation"]["epoch"] = best
    (run / "summary.json").write_text(json.dumps(summary))
    return run


def answer_in(folder, **options):
    (groups,) = budgets(comparison_groups(load([folder])))
    return answer_of(groups, **options)


def speed_in(folder, **options):
    return answer_in(folder, **options).speed


def needed(speed):
    return [(one.averaged, one.unaveraged) for one in speed.seeds]


def test_the_first_epochs_at_the_level_are_divided(tmp_path):
    """The level is 0.8 for all seeds: reached is equal or better, and the first time counts, be it
    luck, on both sides."""
    lucky = (0.1, 0.3, 0.8, 0.6, 0.7, 0.8)
    write(tmp_path, RISING, (0.5, 0.79, 0.8, 0.9), seed=0)
    write(tmp_path, lucky, (0.5, 0.85, 0.7, 0.9), seed=1)
    write(tmp_path, RISING, (0.8, 0.85, 0.9, 0.95), seed=2)
    speed = speed_in(tmp_path)
    assert needed(speed) == [(5, 6), (4, 3), (3, 6)]
    assert [one.target for one in speed.seeds] == [0.8, 0.8, 0.8]
    assert (speed.reached, speed.epochs, speed.reason, speed.commands) == (3, 6, "", ())
    for found, by in ((speed.of_unaveraged, [6, 3, 6]), (speed.of_budget, [6, 6, 6])):
        logs = np.log(np.array([5, 4, 3]) / by)
        low, high = stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs))
        assert found.mean == pytest.approx(np.exp(logs.mean()))
        assert (found.low, found.high) == pytest.approx((np.exp(low), np.exp(high)))
        assert (found.n, found.above) == (3, None)


def test_speed_is_what_a_plain_search_of_the_files_finds(tmp_path):
    generator = np.random.default_rng(0)
    wanted = []
    for seed in range(12):
        checkpoints = generator.integers(2, 8, EPOCHS) / 8
        average = generator.integers(4, 9, 4) / 8
        write(tmp_path, checkpoints.tolist(), average.tolist(), seed=seed)
        target = checkpoints.max()
        first = [2 + place for place in range(4) if average[place] >= target]
        alone = [place for place in range(EPOCHS) if checkpoints[place] >= target]
        wanted.append((min(first) + 1 if first else None, min(alone) + 1))
    speed = speed_in(tmp_path)
    assert needed(speed) == wanted
    assert 0 < speed.reached < 12


def test_a_seed_that_never_gets_there_leaves_no_mean_ratio(tmp_path):
    """It counts with all of its 6 epochs for what the mean exceeds."""
    write(tmp_path, RISING, (0.5, 0.6, 0.8, 0.95), seed=0)
    write(tmp_path, RISING, (0.5, 0.6, 0.7, 0.79), seed=1)
    answer = answer_in(tmp_path)
    assert needed(answer.speed) == [(5, 6), (None, 6)]
    assert answer.speed.reached == 1
    for ratio in (answer.speed.of_unaveraged, answer.speed.of_budget):
        assert (ratio.n, ratio.mean, ratio.low, ratio.high) == (2, None, None, None)
        assert ratio.above == pytest.approx(np.sqrt(5 / 6))
    said = answers.plain(answer)["speed"]
    assert said["reached"] == 1
    assert said["seeds"][1] == {
        **{"seed": 1, "target": 0.8, "averaged": None, "tried": 6, "unaveraged": 6}
    }
    assert json.loads(json.dumps(said))["of_budget"]["mean"] is None


def test_a_window_that_ends_early_was_tried_no_further(tmp_path):
    write(tmp_path / "a", RISING, (0.5, 0.6), end=4)
    write_run(tmp_path / "b", start=5, fingerprint="svhn-0.05-0")  # for the last checkpoint
    (one,) = speed_in(tmp_path).seeds
    assert (one.averaged, one.tried) == (None, 4)
    assert speed_in(tmp_path).of_budget.above == pytest.approx(4 / 6)


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_seed_and_identical_ratios_have_no_interval(tmp_path, seeds):
    for seed in range(seeds):
        write(tmp_path, RISING, (0.5, 0.6, 0.8, 0.95), seed=seed)
    speed = speed_in(tmp_path)
    for ratio in (speed.of_unaveraged, speed.of_budget):
        assert ratio.mean == pytest.approx(5 / 6)
        assert (ratio.low, ratio.high, ratio.above) == (None, None, None)


def test_the_test_split_decides_nothing(tmp_path):
    for seed in range(3):
        run = write(tmp_path, RISING, (0.5, 0.6, 0.8, 0.8 + 0.01 * seed), seed=seed)
    before = speed_in(tmp_path)
    for run in tmp_path.iterdir():
        table = pd.read_csv(run / "metrics.csv")
        columns = [name for name in table if "test" in name]
        table[columns] = 0.999 - table[columns] / 2
        table.to_csv(run / "metrics.csv", index=False)
    assert speed_in(tmp_path) == before


def test_by_loss_less_is_better(tmp_path):
    falling, average = [3.0, 2.0, 1.0, 0.9, 0.8, 0.7], [0.9, 0.7, 0.6, 0.5]
    write(tmp_path, falling, average, score="loss")
    assert needed(speed_in(tmp_path, metric=LOSS)) == [(4, 6)]


def test_calibration_has_no_speed(tmp_path):
    write(tmp_path, RISING, (0.8, 0.9))
    answer = answer_in(tmp_path, metric=CALIBRATION_ERROR)
    assert answer.speed.of_budget is None
    said = "Speed: not known, since calibration is not measured after every epoch."
    assert answers.sentences(answer)[-1] == said


WINDOWS = "start,end,count,split,loss,accuracy\n"


def windows(start, scores, split="validation"):
    ends = range(start + 1, start + 1 + len(scores))
    rows = zip(ends, scores, strict=True)
    return "".join(f"{start},{end},{end - start},{split},0.5,{score}\n" for end, score in rows)


def test_what_lacks_is_given_by_the_commands(tmp_path):
    write(tmp_path, RISING, (0.5, 0.6, 0.8, 0.95), seed=0)
    runs = [write(tmp_path, RISING, (0, 0, 0, 0.9), seed=seed, running=False) for seed in (1, 2)]
    answer = answer_in(tmp_path)
    assert answer.speed.seeds == ()
    assert answer.speed.reason.startswith("the average of seeds 1, 2 was not evaluated on valid")
    wanted = [f"python -m polyak windows {run} --starts 2 --ends 3:7" for run in runs]
    assert list(answer.speed.commands) == wanted
    assert wanted[0] in answers.sentences(answer)[-1]
    for run in runs:  # on test alone, it isn't there
        (run / "windows.csv").write_text(WINDOWS + windows(2, [0.9] * 4, "test"))
    assert list(speed_in(tmp_path).commands) == wanted
    for run in runs:
        (run / "windows.csv").write_text(WINDOWS + windows(2, [0.5, 0.8, 0.8, 0.9]))
    assert needed(speed_in(tmp_path)) == [(5, 6), (4, 6), (4, 6)]


@pytest.mark.parametrize("scheme", ["power, gamma 2.0", "uniform, every 2 epochs"])
def test_only_uniform_averages_are_given_by_a_command(tmp_path, scheme):
    run = write(tmp_path, RISING, (0, 0, 0, 0.9), running=False, scheme=scheme)
    (run / "windows.csv").write_text(WINDOWS + windows(2, [0.9] * 4))
    speed = speed_in(tmp_path)
    assert speed.of_budget is None
    assert speed.reason.endswith(": averaging.running=true")
    assert speed.commands == ()


def test_windows_of_another_treatment_of_batch_norm_are_another_average(tmp_path):
    """Of one trajectory, averaged in two ways: those beside the worse run don't count."""
    same = {"running": False, "refreshed": 0.0, "fingerprint": "one"}
    write(tmp_path / "a", RISING, (0, 0, 0, 0.95), **same)
    averaged = {"scheme": "uniform, batch norm averaged"}
    other = write(tmp_path / "b", RISING, (0, 0, 0, 0.9), **same, **averaged)
    (other / "windows.csv").write_text(WINDOWS + windows(2, [0.9] * 4))
    assert answer_in(tmp_path).averaged.first["scheme"] == "uniform"
    (command,) = speed_in(tmp_path).commands
    assert f"{tmp_path / 'a'}/0" in command


def test_refreshed_checkpoints_are_known_from_windows_of_one_epoch(tmp_path):
    """The best without averaging is the last checkpoint, refreshed: the stored ones are not like
    it, and only the budget is known, until all checkpoints were refreshed."""
    same = {"refreshed": 0.0, "scheme": "uniform, refreshed on 1,000 images"}
    run = write(tmp_path, RISING, (0.5, 0.86, 0.9, 0.95), **same)
    summary = json.loads((run / "summary.json").read_text())
    summary["results"]["last_refreshed"]["validation"]["accuracy"] = 0.85
    (run / "summary.json").write_text(json.dumps(summary))
    answer = answer_in(tmp_path)
    assert needed(answer.speed) == [(4, None)]
    assert answer.speed.of_unaveraged is None
    assert answer.speed.of_budget.mean == pytest.approx(4 / 6)
    assert answer.speed.commands == (f"python -m polyak windows {run}",)
    assert "not known, since the checkpoint of seed 0 was not" in answers.sentences(answer)[-1]
    rows = [windows(epoch, [score]) for epoch, score in enumerate((0, 0, 0, 0.9, 0.8, 0.85))]
    (run / "windows.csv").write_text(WINDOWS + "".join(rows))
    assert needed(speed_in(tmp_path)) == [(4, 4)]
    assert speed_in(tmp_path).reason == ""
    # Refreshed elsewhere, a last digit may differ; the last checkpoint is where it is.
    rows = [windows(epoch, [score]) for epoch, score in enumerate((0, 0, 0, 0, 0, 0.8499999))]
    (run / "windows.csv").write_text(WINDOWS + "".join(rows))
    assert needed(speed_in(tmp_path)) == [(4, 6)]


def test_without_the_checkpoints_only_the_budget_is_known(tmp_path):
    run = write(tmp_path, RISING, (0.5, 0.6, 0.8, 0.95))
    table = pd.read_csv(run / "metrics.csv")
    table.loc[1, "val_accuracy"] = np.nan
    table.to_csv(run / "metrics.csv", index=False)
    speed = speed_in(tmp_path)
    assert needed(speed) == [(5, None)]
    assert (speed.of_unaveraged, speed.commands) == (None, ())
    assert "the checkpoint of seed 0 was not evaluated" in speed.reason
