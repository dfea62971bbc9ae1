"""Runs that name a metric of their own, from directories to the report."""

import json
import re

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.compare.fair import Answer, answer_of
from tests.analysis.own_runs import perplexity, write_own
from tests.analysis.synthetic_runs import GAINS, findings_in, write_sweep


def text_of(page: str) -> str:
    """What a person reads of a report: without styles, images and the terms of its end."""
    page = re.sub(r"<style>.*?</style>|<img [^>]*>|<h2 id=.terms.*", "", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


OF_STATISTICS = re.compile(r"\b(95|80) % (t interval|power)|\b5 % or less")


def other_percentages(text: str) -> list[str]:
    """Those that are scores: not levels of tests, nor the speed's ratios, which have no metric."""
    text = re.sub(r"Speed, of .*?(?= At an edge| To confirm|$)", "", text)
    text = re.sub(r"To confirm it.*?(?= seed |$)", "", text)
    return [found for found in re.findall(r"\S+ %.{0,20}", text) if not OF_STATISTICS.search(found)]


METRICS = [("f1", True, lambda level: level), ("perplexity", False, perplexity)]


def assert_words(text, name, better):
    """Of the metric, and of no other."""
    assert "Better: +" in text
    assert f" of {name} for averaging, against the best without it" in text
    assert f"validation {name} ({better} is better)" in text
    assert f"they are made from logits, and these runs are compared by {name}" in text
    assert "accurac" not in text
    assert not re.search(r"\bpoints\b", text)
    assert other_percentages(text) == []


def write(folder, name, higher, score, gain=0.2, **options):
    gains = {seed: gain + 0.01 * seed for seed in range(3)}
    return write_own(folder, name, higher, score=score, gain=gains.__getitem__, **options)


def test_a_report_has_the_words_and_the_units_of_the_metric(tmp_path):
    write(tmp_path, "perplexity", False, perplexity)
    assert main([str(tmp_path)]) == 0
    out = tmp_path / "analysis"
    page = (out / "report.html").read_text()
    assert_words(text_of(page), "perplexity", "lower")
    assert "Perplexity: lower is better, epochs counted from 0" in page
    assert "McNemar" not in page
    drawn = {path.stem for path in (out / "figures").glob("*.png")}
    made = {"answer", "rate_sensitivity", "selection", "gain_by_start", "accuracy_by_epoch"}
    assert made | {"heat_map"} <= drawn
    assert not drawn & {"calibration", "ensemble", "window_map", "path", "widths"}
    assert set(pd.read_csv(out / "runs.csv")["metric"]) == {"perplexity"}
    (findings,) = json.loads((out / "findings.json").read_text())
    (answer,) = json.loads((out / "answers.json").read_text())
    assert findings["metric"] == answer["metric"] == "perplexity"
    assert list(answer["differences"]) == ["perplexity"]


@pytest.mark.parametrize(("name", "higher", "score"), METRICS)
def test_the_best_by_the_metric_is_selected_and_its_words_printed(
    tmp_path, capsys, name, higher, score
):
    write(tmp_path, name, higher, score)
    assert main(["table", str(tmp_path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert_words(printed, name, "higher" if higher else "lower")
    findings = findings_in(tmp_path)
    scores = findings.candidates["shared_validation"]
    best = scores.max() if higher else scores.min()
    assert findings.selected["validation"] == findings.oracle["validation"] == best
    assert findings.selection_bias["validation"] > 0


@pytest.mark.parametrize(("name", "higher", "score"), METRICS)
@pytest.mark.parametrize(("gain", "kind"), [(0.2, "better"), (-0.2, "worse")])
def test_a_difference_is_positive_where_the_average_is_better(
    tmp_path, name, higher, score, gain, kind
):
    write(tmp_path, name, higher, score, gain, lrs=[0.05])
    findings = findings_in(tmp_path)
    answer = answer_of([findings.group])
    assert isinstance(answer, Answer)
    assert answer.conclusion.kind == kind
    for pair in answer.pairs.to_dict("records"):
        change = pair["averaged"] - pair["unaveraged"]
        assert pair["difference"] == pytest.approx(change if higher else -change)
    assert findings.verdict == {"better": "gain", "worse": "loss"}[kind]
    by_unit = 1 if higher else 30
    assert findings.mechanism.mean == pytest.approx(by_unit * (gain + 0.01))
    reached = [one.unaveraged for one in answer.speed.seeds]
    assert reached == [5, 6, 5]  # the best checkpoints, by hand
    assert all((one.averaged is None) == (gain < 0) for one in answer.speed.seeds)


def test_runs_of_two_metrics_are_never_one_group(tmp_path, capsys):
    write_sweep(tmp_path / "accuracy", lrs=[0.05], starts=[1, 3], gain=GAINS.__getitem__)
    write_own(tmp_path / "f1", "f1", True, lrs=[0.05], gain=GAINS.__getitem__)
    assert main(["table", str(tmp_path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "metric=f1: 6 runs of 3 trajectories" in printed
    assert "metric=accuracy: 6 runs of 3 trajectories" in printed
    assert "By different metrics, they have no summary" in printed
    assert main(["figure", "forest", str(tmp_path)]) == 1
    assert "compared by different metrics" in capsys.readouterr().err


def test_a_metric_is_refused_by_those_that_there_are(tmp_path, capsys):
    write_own(tmp_path, "f1", True, lrs=[0.05], starts=[3], gain=GAINS.__getitem__)
    assert main(["table", str(tmp_path), "--metric", "f2"]) == 1
    assert "--metric f2: the runs don't have it; allowed: f1\n" in capsys.readouterr().err


def test_a_metric_beside_accuracy_is_what_the_answer_may_be_by(tmp_path, capsys):
    """Runs compared by accuracy, which have another metric too, and no ensemble."""
    write_sweep(tmp_path, lrs=[0.05], starts=[2, 3], gain=GAINS.__getitem__)
    for path in tmp_path.glob("*/summary.json"):
        summary = json.loads(path.read_text())
        summary["directions"] = {"regret": False}
        del summary["results"]["ensemble"]
        for what, result in summary["results"].items():
            for split in ("validation", "test"):
                result[split]["others"] = {"regret": 2.0 if what == "average" else 3.0}
        path.write_text(json.dumps(summary))
    assert main(["table", str(tmp_path), "--metric", "regret"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Undecided: +1.000 of regret for averaging" in printed
    assert "The same pair, selected by regret, by other metrics" in printed
    assert re.search(r"by other metrics, .*: accuracy \S+ points .*; loss \S+ nats", printed)
    assert "Gain: +2.70 points over the mean" in printed
    assert "no image-level test, ensemble or calibration: they are made from logits" in printed


def test_scores_that_no_predictions_give_are_not_verified(tmp_path, capsys):
    write(tmp_path, *METRICS[0], lrs=[0.05], starts=[3], seeds=[0])
    assert main(["table", str(tmp_path), "--verify"]) == 1
    assert "its f1 can't be computed again" in capsys.readouterr().err
