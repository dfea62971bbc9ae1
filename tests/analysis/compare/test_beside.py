"""What stands beside an answer: last checkpoint, ensemble, and the edges of what was swept."""

import json

import pytest

from analysis.compare.beside import beside, edges
from analysis.compare.estimators import budgets
from analysis.compare.fair import answer_of
from analysis.compare.groups import comparison_groups
from analysis.read.load import load
from analysis.report import answers
from tests.analysis.synthetic_runs import write_sweep


def answer_in(folder):
    (groups,) = budgets(comparison_groups(load([folder])))
    return answer_of(groups)


def change(folder, what, **accuracies):
    """Of every run whose directory has `what` in its name: accuracies on validation and test."""
    for path in folder.glob(f"*{what}*/summary.json"):
        summary = json.loads(path.read_text())
        for name, (validation, test) in accuracies.items():
            result = summary["results"][name]
            result["validation"]["accuracy"], result["test"]["accuracy"] = validation, test
        path.write_text(json.dumps(summary))


def test_last_checkpoint_and_ensemble_are_selected_on_validation_themselves(tmp_path):
    write_sweep(tmp_path, starts=[2, 4])
    change(tmp_path, "lr=0.02", last=(0.8, 0.71), best_by_validation=(0.9, 0.74))
    change(tmp_path, "lr=0.05", last=(0.7, 0.99), best_by_validation=(0.8, 0.99))
    change(tmp_path, "start=4,optimizer.lr=0.02", average=(0.9, 0.75), ensemble=(0.5, 0.9))
    change(tmp_path, "start=2,optimizer.lr=0.02", average=(0.6, 0.9), ensemble=(0.95, 0.76))
    change(tmp_path, "lr=0.05", average=(0.6, 0.9), ensemble=(0.6, 0.9))
    answer = answer_in(tmp_path)
    last, ensemble = beside(answer)
    assert (last.what, last.side.first["learning_rate"]) == ("last", 0.02)
    assert last.difference.mean == pytest.approx(0.04)
    assert (ensemble.what, ensemble.side.first["start"]) == ("ensemble", 2)
    assert ensemble.difference.mean == pytest.approx(-0.01)
    said = " ".join(answers.sentences(answer))
    assert "the last checkpoint at learning rate 0.02, the best of its kind, has 71.00 %" in said
    assert "(4 models, 4 times the cost), has 76.00 %: -1.00 points for the average" in said
    plain = answers.plain(answer)["beside"]
    assert plain["last"]["difference"]["n"] == 3
    assert plain["ensemble"]["learning_rate"] == 0.02


def test_against_a_last_checkpoint_there_is_none_beside_and_none_without_an_ensemble(tmp_path):
    write_sweep(tmp_path, lrs=[0.05], starts=[2])
    change(tmp_path, "", last=(0.9, 0.7), best_by_validation=(0.8, 0.7))
    for path in tmp_path.glob("*/summary.json"):
        summary = json.loads(path.read_text())
        del summary["results"]["ensemble"]["validation"]
        path.write_text(json.dumps(summary))
    assert beside(answer_in(tmp_path)) == []


def test_edges_are_of_both_sides_and_a_window_from_epoch_0_is_none(tmp_path):
    write_sweep(tmp_path, lrs=[0.02, 0.05, 0.1], starts=[0, 2, 4])
    change(tmp_path, "", average=(0.5, 0.5), last=(0.3, 0.3), best_by_validation=(0.4, 0.4))
    change(tmp_path, "start=4,optimizer.lr=0.05", average=(0.9, 0.9))
    change(tmp_path, "lr=0.1", best_by_validation=(0.8, 0.8))
    assert list(edges(answer_in(tmp_path))) == [
        ("the average", "first epoch 4, the latest"),
        ("the best without", "learning rate 0.1, the largest"),
    ]
    change(tmp_path, "start=0,optimizer.lr=0.05", average=(0.95, 0.9))
    change(tmp_path, "lr=0.05", best_by_validation=(0.85, 0.8))
    assert list(edges(answer_in(tmp_path))) == []
