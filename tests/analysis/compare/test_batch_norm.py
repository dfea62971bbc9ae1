"""Networks with batch norm: the average is compared with a last checkpoint that is like it."""

import numpy as np
import pytest

from analysis.compare.baselines import compared, last_of
from analysis.compare.image_tests import image_tests
from analysis.read.predictions import Predictions
from analysis.report.cautions import cautions
from analysis.report.sentences import headline, sentences
from analysis.report.tables import baselines, candidates, trajectories
from tests.analysis.synthetic_runs import (
    GAINS,
    drop_refreshed,
    findings_in,
    write_run,
    write_sweep,
)

LABEL = "the last checkpoint with refreshed statistics"


@pytest.fixture
def sweep(tmp_path):
    options = {"lrs": [0.05], "starts": [2, 4], "validation_gain": 0.02}
    return write_sweep(tmp_path / "s", **options, gain=GAINS.__getitem__, refreshed=0.013)


def test_the_gain_over_it_is_the_mechanisms_comparison(sweep):
    """The others have statistics of another kind than the average."""
    findings = findings_in(sweep)
    runs = findings.runs
    gains = runs["average_test_accuracy"] - runs["last_test_accuracy"] - 0.013
    assert findings.last == "last_refreshed"
    assert findings.baseline == "last_refreshed"
    assert list(findings.secondary) == ["window_mean", "last", "best_by_validation", "ensemble"]
    found = findings.mechanism
    assert (found.n, found.mean) == (3, pytest.approx(gains.mean()))
    assert found.sd == pytest.approx(gains.std())
    table = findings.candidates
    assert table["gain"].tolist() == pytest.approx(table["gain_over_last_refreshed"].tolist())
    assert table["gain_over_last_refreshed"].tolist() == pytest.approx(
        (table["gain_over_last"] - 0.013).tolist()
    )


def test_sentences_and_tables_name_it(sweep):
    findings = findings_in(sweep)
    gain = f"{100 * findings.mechanism.mean:+.2f}"
    assert headline(findings).endswith(f"{gain} points over {LABEL}")
    assert f"{gain} points over {LABEL} (95 % t interval" in sentences(findings)[0]
    assert sentences(findings)[1].count("over the last checkpoint") == 1
    table = baselines(findings)
    assert table[""].tolist()[1:3] == ["the last checkpoint", LABEL]
    row = table.iloc[2]
    assert row["comparison"] == "mechanism"
    assert row["gain of the average, points"].startswith(f"{gain} [")
    shown = candidates(findings)["gain over last, refreshed, points"].tolist()
    assert any(one.startswith(f"{gain} [") for one in shown)
    assert {"last, refreshed, %", "gain over last, refreshed, points"} <= set(
        trajectories(findings)
    )
    changes = "changes that checkpoint's test accuracy by +1.30 points"
    assert any(changes in one for one in cautions(findings))


def test_without_batch_norm_nothing_is_said_of_it(tmp_path):
    findings = findings_in(write_sweep(tmp_path, lrs=[0.05], gain=GAINS.__getitem__))
    assert findings.last == "last"
    assert headline(findings).endswith("over the last checkpoint")
    said = [*sentences(findings), *cautions(findings), *baselines(findings)[""]]
    assert "refreshed" not in " ".join(said)
    assert not [name for name in trajectories(findings) if "refreshed" in name]
    assert "gain over last checkpoint, points" in candidates(findings)


def test_a_loss_to_it_is_a_loss_whatever_is_gained_over_the_stored_checkpoints(tmp_path):
    gains = {seed: 0.09 + gain for seed, gain in GAINS.items()}
    write_sweep(tmp_path, lrs=[0.01], starts=[4], gain=gains.__getitem__, refreshed=0.15)
    findings = findings_in(tmp_path)
    assert findings.secondary["last"].mean > 0 > findings.mechanism.mean
    assert findings.verdict == "loss"
    assert headline(findings).startswith("Loss: ")


def test_runs_that_lack_it_in_part_are_compared_with_the_last_checkpoint(sweep):
    for start in (2, 4):
        drop_refreshed(sweep / f"averaging.start={start},optimizer.lr=0.05,seed=1")
    findings = findings_in(sweep)
    assert "last_refreshed_test_accuracy" in findings.runs
    assert last_of(findings.runs) == findings.last == "last"
    assert "last_refreshed" not in compared(findings.runs)
    assert "last_refreshed" not in findings.secondary
    assert findings.candidates["gain_over_last_refreshed"].isna().all()
    texts = [headline(findings), *sentences(findings), baselines(findings).to_string()]
    texts += [candidates(findings).to_string(), trajectories(findings).to_string()]
    assert "refreshed" not in " ".join(texts)
    assert "nan" not in " ".join(texts)


def test_image_tests_are_with_its_predictions(tmp_path):
    run = write_run(tmp_path / "a", predictions=True, refreshed=0.01)
    tests, problems = image_tests(findings_in(tmp_path).runs)
    found = Predictions(run, "test")
    average, refreshed, last = (
        found.correct(found.log_probabilities(what)) for what in ("average", "last_refreshed", 5)
    )
    assert problems == []
    assert tests["only_last"].tolist() == [int((refreshed & ~average).sum())]
    assert not np.array_equal(refreshed, last)
    assert f"only {LABEL} on {tests['only_last'][0]}" in sentences(findings_in(tmp_path))[1]


def test_image_tests_of_a_window_with_a_stride_are_with_its_last_epoch(tmp_path):
    run = write_run(tmp_path / "a", start=0, stride=2, predictions=True)
    tests, _ = image_tests(findings_in(tmp_path).runs)
    found = Predictions(run, "test")
    average, last = (found.correct(found.log_probabilities(what)) for what in ("average", 4))
    assert tests["only_last"].tolist() == [int((last & ~average).sum())]


def test_a_window_whose_stride_leaves_one_epoch_averages_nothing(tmp_path):
    write_run(tmp_path / "a", start=2, end=4, stride=2, gain=0.0)
    assert findings_in(tmp_path).verdict == "nothing averaged"
