"""The figures of the answers: what they draw is what a plain loop finds, and nothing overlaps."""

import itertools
import json
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from analysis.compare.across import across
from analysis.figures.answer import answer as answer_figure
from analysis.figures.catalogue import clear, draw, draw_all
from analysis.figures.drawn import NotDrawnError
from analysis.figures.forest import forest
from analysis.figures.rate_sensitivity import rate_sensitivity
from analysis.figures.selection import selection
from analysis.figures.style import save
from polyak.evaluation.metric import ACCURACY, KNOWN
from tests.analysis.compare.test_across import answers_in, write_budget
from tests.analysis.synthetic_runs import write_run, write_sweep, write_unfinished

COSINE = {"_target_": "polyak.training.schedules.Cosine"}


def noise(*key):
    return float(np.random.default_rng([ord(one) for one in str(key)]).normal(0, 0.005))


def write_rates(folder, rates=(0.01, 0.02, 0.05), seeds=(0, 1, 2), starts=(2, 4), schedules=1):
    """Noisy gains, on validation and on test, for each rate, seed, start and schedule."""
    for lr, seed, start, place in itertools.product(rates, seeds, starts, range(schedules)):
        gain = 0.03 + noise(lr, seed, start, place)
        write_run(
            folder / f"{lr},{seed},{start},{place}",
            **{"lr": float(lr), "seed": seed, "start": start, "gain": gain},
            validation_gain=gain + noise("validation", lr, seed, start, place),
            fingerprint=f"{lr}-{seed}-{place}",
            **({"schedule": COSINE} if place else {}),
        )
    return folder


def plainly(folder, metric):
    """Mean validation and test score by rate, side and candidate, from the summaries alone."""
    found = defaultdict(lambda: defaultdict(dict))
    for path in folder.glob("*/summary.json"):
        run = json.loads(path.read_text())
        lr, start = run["config"]["optimizer"]["lr"], run["window"]["start"]
        for what, name in (("average", start), ("last", "last"), ("best_by_validation", "best")):
            scores = [run["results"][what][split][metric] for split in ("validation", "test")]
            found[lr, what == "average"][name][run["config"]["seed"]] = scores
    return {
        key: [np.mean(list(seeds.values()), axis=0) for seeds in candidates.values()]
        for key, candidates in found.items()
    }


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_each_rate_has_the_best_of_each_side_on_validation(tmp_path, metric):
    write_rates(tmp_path)
    (answer,) = answers_in(tmp_path, metric=KNOWN[metric])
    figure, caption = rate_sensitivity(answer)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    best, scale = max if metric == "accuracy" else min, 1 if metric == "loss" else 100
    for averaged, label in ((False, "without averaging"), (True, "averaged")):
        wanted = [
            scale * best(scores, key=lambda pair: round(pair[0], 9))[1]
            for (_, side), scores in sorted(plainly(tmp_path, metric).items())
            if side == averaged
        ]
        assert lines[label].get_ydata() == pytest.approx(wanted)
    assert figure.axes[0].get_xscale() == "log"
    assert "n = 3" in caption


def test_recipes_have_panels_of_their_own_and_the_answers_pair_is_ringed(tmp_path):
    write_rates(tmp_path, schedules=2)
    write_unfinished(tmp_path / "failed", reason="diverged", lr=9.0, schedule=COSINE)
    (answer,) = answers_in(tmp_path)
    figure, caption = rate_sensitivity(answer)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["schedule=Constant", "schedule=Cosine"]
    sides = (answer.unaveraged, answer.averaged)
    for axes in figure.axes:
        rings = [line.get_ydata()[0] for line in axes.lines if line.get_fillstyle() == "none"]
        here = [one for one in sides if one.first["label"] == axes.get_title()]
        assert rings == pytest.approx([100 * one.mean(ACCURACY) for one in here])
    crosses = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in crosses] == [[], [9.0]]
    assert "Crosses: rates left out, since a seed failed" in caption


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_every_candidate_is_a_dot_at_its_means_and_the_selected_are_ringed(tmp_path, metric):
    write_rates(tmp_path, rates=(0.02, 0.05))
    (answer,) = answers_in(tmp_path, metric=KNOWN[metric])
    figure, caption = selection(answer)
    lines = figure.axes[0].lines
    drawn = {line.get_label(): line.get_xydata() for line in lines if len(line.get_xdata()) > 1}
    scale = 1 if metric == "loss" else 100
    for averaged, label in ((False, "without averaging"), (True, "averaged")):
        of_side = (
            pairs for (_, side), pairs in plainly(tmp_path, metric).items() if side == averaged
        )
        wanted = sorted(tuple(scale * pair) for pairs in of_side for pair in pairs)
        assert np.allclose(sorted(map(tuple, drawn[label])), wanted)
    rings = [line for line in lines if line.get_fillstyle() == "none" and len(line.get_xdata())]
    wanted = [scale * side.mean(KNOWN[metric]) for side in (answer.unaveraged, answer.averaged)]
    assert [float(line.get_ydata()[0]) for line in rings] == pytest.approx(wanted)
    assert "8 candidates" in caption


def test_an_average_that_was_lucky_on_validation_is_worse_than_the_line(tmp_path):
    """One of 5 averages has 10 points more on validation than on test."""
    for seed, start in itertools.product((0, 1, 2), range(5)):
        lucky = 0.1 * (start == 3)
        write_run(
            tmp_path / f"{seed},{start}",
            **{"seed": seed, "start": start, "gain": 0.02, "validation_gain": 0.02 + lucky},
        )
    (answer,) = answers_in(tmp_path)
    assert answer.averaged.first["start"] == 3
    assert "the selected average is 10.00 points worse than the line" in selection(answer)[1]


def test_of_many_candidates_the_poorest_quarter_is_left_out(tmp_path):
    write_rates(tmp_path, starts=(0, 1, 2, 3, 4))
    (answer,) = answers_in(tmp_path)
    _, caption = selection(answer)
    assert "Dots: 15 candidates" in caption  # of 15 averages and 6 checkpoints
    assert "Not shown: the 6 candidates poorest on validation" in caption


@pytest.mark.parametrize(
    ("figure_of", "reason"),
    [(rate_sensitivity, "needs two learning rates"), (selection, "needs several candidates")],
)
def test_what_an_answer_of_one_recipe_lacks(tmp_path, figure_of, reason):
    for seed in (0, 1):
        write_run(tmp_path / str(seed), seed=seed, start=2)
    (answer,) = answers_in(tmp_path)
    if figure_of is selection:
        answer = replace(answer, table=answer.table[answer.table["estimator"] != "last"])
    with pytest.raises(NotDrawnError, match=reason):
        figure_of(answer)


def test_the_forest_has_a_row_per_answer_and_a_diamond_only_of_enough(tmp_path):
    for place, name in enumerate("abc"):
        write_budget(tmp_path, name, shift=0.05 * place)
    figure, caption = forest(across(answers_in(tmp_path)))
    assert not figure.axes[0].patches[1:]  # the margin's band alone
    assert "3 budgets are too few for a summary" in caption
    write_budget(tmp_path, "d", shift=0.2)
    write_budget(tmp_path, "e", validation=False)
    found = across(answers_in(tmp_path))
    figure, caption = forest(found)
    axes = figure.axes[0]
    means = {100 * one.conclusion.interval.mean for one in found.answers.values()}
    diamonds = {line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"}
    assert diamonds == means
    corners = axes.patches[0].get_path().vertices
    summary = found.summary
    assert corners[:, 0].min() == pytest.approx(100 * summary.low)
    assert corners[:, 0].max() == pytest.approx(100 * summary.high)
    assert "Not shown: 1 budget without an answer" in caption


def test_the_forest_of_one_answer_says_what_it_needs(tmp_path):
    write_budget(tmp_path, "a")
    write_budget(tmp_path, "b", validation=False)
    with pytest.raises(NotDrawnError, match="several budgets"):
        forest(across(answers_in(tmp_path)))


def looked_at(figure, caption, title, tmp_path, width, monkeypatch):
    """No text that is drawn leaves the figure or overlaps another, at this width."""
    save(figure, title, caption, "looked_at", tmp_path, width)
    boxes = {}

    def record(text, renderer):
        if text.get_visible() and text.get_text().strip():
            boxes[text] = text.get_window_extent(renderer)

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", record)
        figure.draw_without_rendering()
    assert len(boxes) > 5
    page = figure.bbox.padded(2)
    outside = [
        text.get_text()
        for text, box in boxes.items()
        if not (page.contains(*box.min) and page.contains(*box.max))
    ]
    assert outside == []
    overlapping = [
        (one.get_text(), other.get_text())
        for one, other in itertools.combinations(boxes, 2)
        if boxes[one].shrunk(0.98, 0.98).overlaps(boxes[other].shrunk(0.98, 0.98))
    ]
    assert overlapping == []


@pytest.mark.parametrize("width", [3.4, 7.0])
@pytest.mark.parametrize("seeds", [1, 2, 7, 20])
def test_the_answers_figure_stands_in_one_column_and_in_two(tmp_path, seeds, width, monkeypatch):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], seeds=range(seeds), gain=noise)
    (answer,) = answers_in(tmp_path / "s")
    figure, caption = answer_figure(answer)
    looked_at(figure, caption, answer.title, tmp_path, width, monkeypatch)


def test_identical_differences_have_no_interval_in_figure_or_caption(tmp_path):
    write_sweep(tmp_path, lrs=[1e-30], starts=[2], gain=0.02)
    (answer,) = answers_in(tmp_path)
    _, caption = answer_figure(answer)
    assert "interval" not in caption
    assert "n = 3" in caption


def test_labels_of_twelve_rates_and_of_long_names_do_not_overlap(tmp_path, monkeypatch):
    rates = np.geomspace(0.001, 1, 12).round(5)
    write_rates(tmp_path / "rates", rates=rates, seeds=(0,), starts=(3,), schedules=2)
    write_unfinished(tmp_path / "rates/failed", reason="diverged", lr=9.0, schedule=COSINE)
    (answer,) = answers_in(tmp_path / "rates")
    figure, caption = rate_sensitivity(answer)
    looked_at(figure, caption, answer.title, tmp_path, None, monkeypatch)
    for place in range(8):
        name = f"{place} images of birds in winter, with a long name"
        write_budget(tmp_path / "budgets", name, shift=0.02 * place, seeds=(0, 1, 2)[: 1 + place])
    found = across(answers_in(tmp_path / "budgets"))
    looked_at(*forest(found), found.title, tmp_path, None, monkeypatch)


def test_what_another_analysis_drew_under_these_names_is_removed_and_nothing_else(tmp_path):
    write_rates(tmp_path / "s")
    (answer,) = answers_in(tmp_path / "s")
    folder = tmp_path / "figures"
    for name in ("answer.png", "answer_2.pdf", "mine.png", "1_a=b/heat_map.png", "own/answer.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")
    clear(["answer", "heat_map"], folder)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    assert left == {"mine.png", "own/answer.png"}
    assert draw("answer", answer, folder, number=2, width=3.4).png == folder / "answer_2.png"
    drawn, not_drawn = draw_all(("answer", "selection"), answer, folder)
    assert [one.name for one in drawn] == ["answer", "selection"]
    assert not_drawn == []
